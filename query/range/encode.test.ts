// Every format against a writer that puts strings together, cell by cell.
import fc from 'fast-check';
import { pack, unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import type { RangeAnswer } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import { type Answered, rangeJson, rangeMsgpack, rangeValue } from './encode.ts';
import { rangeCsv, rangeNdjson, rawCsv, rawNdjson } from './rows.ts';
import type { Column, SeriesTable } from './table.ts';

function seriesOf(id: number, asset: string, channel: string): Series {
  return {
    ...{ id, tenant: 't', asset, channel, labels: { site: 'höhle "1"' }, unit: null },
    ...{ kind: 'number', index: 'time', firstTimeUs: 0 },
  };
}

const answer: RangeAnswer = {
  ...{ startUs: 1.7e15, endUs: 1.7e15 + 60e6, buckets: null, level: '1m', complete: true },
  segments: [{ level: '1m', startUs: 1.7e15, endUs: 1.7e15 + 60e6 }],
  ...{ series: [], position: { epoch: 'e', offset: 7 } },
};
// Of a decision only what an answer says of it.
const grant: Grant = {
  ...{ allow: true, reason: '', action: 'range', tenant: 't', selectors: [] },
  ...{ revision: '3', decisionId: 'd', obligations: { max_points: 9 } },
};

const numbers = fc.oneof(
  { weight: 3, arbitrary: fc.double() },
  fc.integer({ min: -1e6, max: 1e6 }).map((n) => n / 100),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 0, Number.NaN, 1e21, 1e-7, 5e-324, 2 ** 53, -(2 ** 31), 2 ** 32, 127, 128),
);
const times = fc.oneof(
  fc.integer({ min: -2e15, max: 4e15 }),
  fc.integer({ min: -2e9, max: 4e9 }).map((seconds) => seconds * 1e6),
  fc.constant(Number.NaN),
);
const texts = fc.option(fc.string({ unit: 'grapheme' }), { nil: null });
const jsons = fc.option(
  fc.dictionary(fc.stringMatching(/^[a-z"é]+$/), fc.nat()).map((one) => JSON.stringify(one)),
);

function columnsOf(rows: number, isOfStates: boolean): fc.Arbitrary<Column[]> {
  const size = { minLength: rows, maxLength: rows };
  const time = fc.array(times, size).map((cells) => Float64Array.from(cells));
  const value = isOfStates
    ? fc.array(texts, size)
    : fc.array(numbers, size).map((cells) => Float64Array.from(cells));
  return fc
    .tuple(time, value, time, value, fc.array(jsons, size), fc.boolean())
    .map(([t, first, tFirst, last, states, withQ]): Column[] => [
      { name: 't', kind: 'time', cells: t },
      ...(withQ ? [{ name: 'q', kind: 'value', cells: last } as const] : []),
      { name: 'first', kind: 'value', cells: first },
      { name: 't_first', kind: 'time', cells: tFirst },
      ...(isOfStates ? [{ name: 'time_in_state', kind: 'json', cells: states } as const] : []),
    ]);
}

const table: fc.Arbitrary<SeriesTable> = fc
  .tuple(fc.nat({ max: 20 }), fc.boolean(), fc.nat({ max: 1e6 }), fc.string(), fc.string())
  .chain(([rows, isOfStates, id, asset, channel]) =>
    columnsOf(rows, isOfStates).map((columns) => ({
      ...{ series: seriesOf(id, asset, channel), columns },
    })),
  );
const tables = fc.array(table, { maxLength: 4 });

type Cell = number | string | null | undefined;

const cellOf = ({ cells }: Column, row: number): Cell => cells[row];
const rowsOf = ({ columns }: SeriesTable) => [...columns[0]!.cells].map((_, row) => row);

function jsonCell(column: Column, row: number): string {
  const cell = cellOf(column, row);
  if (column.kind === 'json') return String(cell ?? 'null');
  if (typeof cell !== 'number') return JSON.stringify(cell);
  if (Number.isNaN(cell)) return 'null';
  const told = column.kind === 'time' ? cell / 1_000 : cell;
  return Object.is(told, -0) ? '-0' : String(told);
}

function jsonOf({ tables: all, next }: Answered): string {
  const series = all.map(({ series: { id, asset, channel, labels, unit }, columns }) => {
    const head = JSON.stringify({ id, asset, channel, labels, unit }).slice(0, -1);
    const cells = columns.map((column) => {
      const column_ = [...column.cells].map((_, row) => jsonCell(column, row));
      return `,"${column.name}":[${column_.join(',')}]`;
    });
    return `${head}${cells.join('')}}`;
  });
  const [start, end] = [1.7e12, 1.7e12 + 60e3];
  const range = {
    ...{ start, end, step_ms: 60_000, level: '1m', segments: [{ level: '1m', start, end }] },
    complete: true,
  };
  const rest = {
    ...{ cursor: encodeCursor(answer.position), next },
    policy: { revision: '3', decision_id: 'd', obligations: { max_points: 9 } },
  };
  return `{"range":${JSON.stringify(range)},"series":[${series.join(',')}],${JSON.stringify(rest).slice(1)}`;
}

const answeredOf = (all: readonly SeriesTable[], next?: string): Answered => ({
  ...{ answer, tables: all, grant, next, stepMs: 60_000 },
});
const rangeJsonText = (all: readonly SeriesTable[], next?: string) =>
  rangeJson(answeredOf(all, next)).body.toString();

function timeText(us: number): string {
  const ms = Math.floor(us / 1_000);
  const text = new Date(ms).toISOString().slice(0, -1);
  const rest = us - ms * 1_000;
  if (rest !== 0) return `${text}${String(rest).padStart(3, '0')}Z`;
  return `${text.endsWith('.000') ? text.slice(0, -4) : text}Z`;
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csvCell(column: Column | undefined, row: number): string {
  const cell = column && cellOf(column, row);
  if (cell == null) return '';
  if (typeof cell === 'string') return quoted(cell);
  if (Number.isNaN(cell)) return '';
  if (column?.kind === 'time') return timeText(cell);
  return Object.is(cell, -0) ? '-0' : String(cell);
}

function csvOf(all: readonly SeriesTable[]): string {
  const found = new Set(all.flatMap(({ columns }) => columns.map(({ name }) => name)));
  const names = found.delete('q') ? [...found, 'q'] : [...found];
  const lines = all.flatMap((one) => {
    const { id, asset, channel } = one.series;
    return rowsOf(one).map((row) => {
      const cells = names.map((name) =>
        csvCell(
          one.columns.find((column) => column.name === name),
          row,
        ),
      );
      return [id, quoted(asset), quoted(channel), ...cells].join(',');
    });
  });
  return [`series,asset,channel,${names.join(',')}`.replace(/,$/, ''), ...lines, ''].join('\n');
}

function ndjsonOf(all: readonly SeriesTable[]): string {
  const lines = all.flatMap((one) => {
    const { id, asset, channel } = one.series;
    const head = JSON.stringify({ series: id, asset, channel }).slice(0, -1);
    return rowsOf(one).map((row) => {
      const cells = one.columns.map((column) => `,"${column.name}":${jsonCell(column, row)}`);
      return `${head}${cells.join('')}}\n`;
    });
  });
  return lines.join('');
}

describe('an answer', () => {
  it('is JSON as it would be made of strings', () => {
    fc.assert(
      fc.property(tables, fc.option(fc.string(), { nil: undefined }), (all, next) => {
        expect(rangeJsonText(all, next)).toBe(jsonOf(answeredOf(all, next)));
      }),
    );
  });

  it('is MessagePack of the same value, but for the sign of zeros, which the library loses', () => {
    fc.assert(
      fc.property(tables, fc.option(fc.string(), { nil: undefined }), (all, next) => {
        const answered = answeredOf(all, next);
        const { body } = rangeMsgpack(answered);
        expect(unpack(body)).toEqual(rangeValue(answered));
        const plain = all.map(({ series, columns }) => ({
          series,
          columns: columns.map((column) => ({
            ...column,
            ...(column.cells instanceof Float64Array && {
              cells: Float64Array.from(column.cells, (cell) => (cell === 0 ? 0 : cell)),
            }),
          })),
        }));
        const same = rangeMsgpack(answeredOf(plain, next)).body;
        expect(same.equals(pack(rangeValue(answeredOf(plain, next))))).toBe(true);
      }),
    );
  });

  it('is CSV and NDJSON as they would be made of strings', () => {
    fc.assert(
      fc.property(tables, (all) => {
        expect(Buffer.from(rangeCsv(all)).toString()).toBe(csvOf(all));
        expect(Buffer.from(rangeNdjson(all)).toString()).toBe(ndjsonOf(all));
      }),
    );
  });

  it('has room for columns of any length', () => {
    const cells = Float64Array.from({ length: 70_000 }, (_, n) => -Math.sin(n) * 1e-300);
    const series = seriesOf(1, 'a', 'c');
    const all = [{ series, columns: [{ name: 't', kind: 'time', cells } as const] }];
    expect(rangeJsonText(all)).toBe(jsonOf(answeredOf(all)));
    expect(unpack(rangeMsgpack(answeredOf(all)).body)).toEqual(rangeValue(answeredOf(all)));
  });
});

describe('what an ETag stands for', () => {
  const series = seriesOf(1, 'a', 'c');
  const columns = [{ name: 't', kind: 'time', cells: Float64Array.of(1, 2) } as const];
  const tagOf = (encode: typeof rangeJson, changed: Partial<Answered>) =>
    Buffer.concat(
      encode({ ...answeredOf([{ series, columns }]), ...changed }).etagOf.map((part) =>
        Buffer.from(part as string),
      ),
    ).toString('latin1');

  it.each([
    ['JSON', rangeJson],
    ['MessagePack', rangeMsgpack],
  ])('is all of the %s but the cursor and the decision', (_, encode) => {
    const tag = tagOf(encode, {});
    const position = { epoch: 'e', offset: 8 };
    expect(tagOf(encode, { answer: { ...answer, position } })).toBe(tag);
    expect(tagOf(encode, { grant: { ...grant, decisionId: 'another' } })).toBe(tag);
    const cells = Float64Array.of(1, 3);
    expect(tagOf(encode, { tables: [{ series, columns: [{ ...columns[0]!, cells }] }] })).not.toBe(
      tag,
    );
    expect(tagOf(encode, { tables: [{ series: { ...series, unit: 'm' }, columns }] })).not.toBe(
      tag,
    );
    expect(tagOf(encode, { answer: { ...answer, complete: false } })).not.toBe(tag);
    expect(tagOf(encode, { next: 'page' })).not.toBe(tag);
  });
});

describe('raw points as rows of a stream', () => {
  const point = fc.tuple(
    fc.integer({ min: -2e15, max: 4e15 }),
    numbers,
    fc.constantFrom(0, 64, -1),
  );

  it.each([
    ['numbers', (v: readonly number[]) => Float64Array.from(v)],
    ['texts', (v: readonly number[]) => v.map((one) => `"${one}",`)],
  ])('are the same as whole, of %s', (_, valuesOf) => {
    fc.assert(
      fc.property(fc.array(point), (points) => {
        const series = seriesOf(5, 'rig, 1', 'spp');
        const t = Float64Array.from(points, ([us]) => us);
        const v = valuesOf(points.map(([, value]) => (Number.isNaN(value) ? 0 : value)));
        const q = Int16Array.from(points, ([, , quality]) => quality);
        const plain: Column[] = [
          { name: 't', kind: 'time', cells: t },
          { name: 'v', kind: 'value', cells: v },
        ];
        const columns = [
          ...plain,
          { name: 'q', kind: 'value', cells: Float64Array.from(q) } as const,
        ];
        const slice = { series, columns: { t, v, q } };
        const csv = Buffer.concat([...rawCsv(slice)]).toString();
        expect(`series,asset,channel,t,v,q\n${csv}`).toBe(csvOf([{ series, columns }]));
        const whole = ndjsonOf([{ series, columns }]);
        const ndjson = Buffer.concat([...rawNdjson(slice)]).toString();
        expect(ndjson).toBe(whole.replaceAll(',"q":0}\n', '}\n'));
      }),
    );
  });

  it('come in pieces that long texts make no larger', () => {
    const rows = 1_000;
    const v = Array.from({ length: rows }, (_, n) => `${n}${'x'.repeat(20_000)}`);
    const columns = { t: new Float64Array(rows), v, q: new Int16Array(rows) };
    const sizes = Array.from(
      rawCsv({ series: seriesOf(1, 'a', 'c'), columns }),
      (one) => one.length,
    );
    expect(Math.max(...sizes)).toBeLessThan(160 * 1024);
    expect(sizes.length).toBeGreaterThan(100);
  });
});
