// query/range/encode and rows: a day of one series in minutes, and of ten, as the bytes of an answer.
import type { Grant } from '../../policies/grant.ts';
import { type Answered, rangeJson, rangeMsgpack } from '../../query/range/encode.ts';
import { rangeCsv } from '../../query/range/rows.ts';
import type { Column, SeriesTable } from '../../query/range/table.ts';
import type { RangeAnswer } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import type { MicroBench } from './area.ts';

const BUCKETS = 1_440;
const BUCKET_US = 60e6;
const START_US = 1_700_000_040_000_000;
const TIMES = ['t', 't_first', 't_last', 't_min', 't_max'];
const VALUES = ['first', 'last', 'min', 'max'];

/** Values of all the digits that a double has, and others as a sensor would send them. */
const VALUES_OF = {
  'all digits': (n: number) => 50 * Math.sin(n / 9),
  'three decimals': (n: number) => Math.round(50_000 * Math.sin(n / 9)) / 1_000,
};

function tableOf(id: number, valueAt: (n: number) => number): SeriesTable {
  const time = (name: string, index: number): Column => ({
    ...{ name, kind: 'time' },
    cells: Float64Array.from({ length: BUCKETS }, (_, n) => START_US + n * BUCKET_US + index * 1e7),
  });
  const value = (name: string, index: number): Column => ({
    ...{ name, kind: 'value' },
    cells: Float64Array.from({ length: BUCKETS }, (_, n) => valueAt(n + index / 5 + id)),
  });
  const series: Series = {
    ...{ id, tenant: 'bench', asset: 'rig-1', channel: `spp/${id}`, labels: {}, unit: 'kPa' },
    ...{ kind: 'number', index: 'time', firstTimeUs: START_US },
  };
  return { series, columns: [...TIMES.map(time), ...VALUES.map(value)] };
}

function answeredOf(tables: readonly SeriesTable[]): Answered {
  const endUs = START_US + BUCKETS * BUCKET_US;
  const answer: RangeAnswer = {
    ...{ startUs: START_US, endUs, buckets: null, level: '1m', complete: true, series: [] },
    ...{ segments: [], position: { epoch: 'bench', offset: 0 } },
  };
  const grant: Grant = {
    ...{ allow: true, reason: '', action: 'range', tenant: 'bench', selectors: [] },
    ...{ obligations: {}, revision: '1', decisionId: 'bench' },
  };
  return { answer, tables, grant, next: undefined, stepMs: 60_000 };
}

/** The cells alone, as plain numbers, by the engine's own writer. */
function stringified(tables: readonly SeriesTable[]) {
  const plain = tables.map(({ columns }) => columns.map(({ cells }) => [...cells]));
  return { name: 'JSON.stringify of the same columns', run: () => JSON.stringify(plain) };
}

export function encodeBenches(): MicroBench[] {
  const sets = [
    ...Object.entries(VALUES_OF).map(([name, valueAt]) => ({
      name: `1 × ${BUCKETS} buckets, ${name}`,
      tables: [tableOf(1, valueAt)],
    })),
    {
      name: `10 × ${BUCKETS} buckets, all digits`,
      tables: Array.from({ length: 10 }, (_, id) => tableOf(id, VALUES_OF['all digits'])),
    },
  ];
  return sets.flatMap(({ name, tables }) => {
    const answered = answeredOf(tables);
    const floor = stringified(tables);
    return [
      { name: `encode json ${name}`, run: () => rangeJson(answered), floor },
      { name: `encode msgpack ${name}`, run: () => rangeMsgpack(answered), floor },
      { name: `encode csv ${name}`, run: () => rangeCsv(tables), floor },
    ];
  });
}
