import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRing } from '../../lib/feed/ring.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { mergeRollup } from '../../sql/statements/mergeRollup.ts';
import { selectMaintainedRollups } from '../../sql/statements/selectMaintainedRollups.ts';
import { withClient } from '../../sql/transaction.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import type { Series } from '../series.ts';
import type {
  M4Columns,
  RangeAnswer,
  RangeRequest,
  RangeResolution,
  RawPosition,
} from './range.ts';
import { createRangeReader, type RangeReader } from './read.ts';
import { parseStep } from './step.ts';

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;

/** What each rollup is refreshed by, the finest first. */
const ROLLUPS = [
  { name: 'rollup_1m', ordinal: 20, bucketUs: MINUTE_US },
  { name: 'rollup_5m', ordinal: 25, bucketUs: 5 * MINUTE_US },
  { name: 'rollup_15m', ordinal: 30, bucketUs: 15 * MINUTE_US },
  { name: 'rollup_1h', ordinal: 40, bucketUs: HOUR_US },
  { name: 'rollup_6h', ordinal: 45, bucketUs: 6 * HOUR_US },
  { name: 'rollup_1d', ordinal: 50, bucketUs: DAY_US },
] as const;

const MACHINE: Series = {
  id: 1,
  tenant: 'acme',
  asset: 'machine',
  channel: 'temperature',
  labels: {},
  unit: '°F',
  kind: 'number',
  index: 'time',
};
/** A copy of its beginning, so that a range over both has series with different stale stretches. */
const TWIN: Series = { ...MACHINE, id: 2, channel: 'twin' };
const EMPTY: Series = { ...MACHINE, id: 3, channel: 'empty' };
const STATE: Series = { ...MACHINE, id: 4, channel: 'state', kind: 'state', unit: null };

/** Three in the first minute and one in the second. */
const STATES = ['idle', 'drilling', 'it\'s "odd", {really}\\', 'idle'];

type Values = Map<number, number>;

/** NAB's machine temperature, µs since 1970 by value; times that come twice keep the later value. */
function machineTemperature(): Values {
  const file = new URL(
    '../../cli/demo/fixtures/machine_temperature_system_failure.csv',
    import.meta.url,
  );
  const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const [time, value] = line.split(',');
      return [Date.parse(`${time?.replace(' ', 'T')}Z`) * 1000, Number(value)];
    }),
  );
}

const timestamp = (timeUs: number) => new Date(timeUs / 1000).toISOString();

/** Writes points as a writer does: the last value wins, and what may be stale is marked in the same transaction. */
async function store(
  sql: postgres.Sql,
  seriesId: number,
  points: readonly (readonly [timeUs: number, value: number])[],
  dirty: boolean,
): Promise<void> {
  const times = points.map(([timeUs]) => timeUs);
  const values = points.map(([, value]) => (Object.is(value, -0) ? '-0' : String(value)));
  const time = "timestamptz 'epoch' + t * interval '1 microsecond'";
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      insert into tailrace.reading (series_id, time, value)
      select ${seriesId}, ${time}, v
      from unnest('{${times.join()}}'::int8[], '{${values.join()}}'::float8[]) w (t, v)
      on conflict (series_id, time) do update set value = excluded.value`);
    if (!dirty) return;
    await tx.unsafe(`
      insert into tailrace.dirty_range (series_id, start_time, end_time)
      select ${seriesId}, ${time}, ${time} + interval '1 microsecond'
      from unnest('{${times.join()}}'::int8[]) w (t)`);
  });
}

function refresh(name: string, startUs: number, endUs: number): Promise<void> {
  return withClient(test.database, async (client) => {
    const rollup = (await selectMaintainedRollups(client)).find((known) => known.name === name);
    await mergeRollup(client, rollup!, { seriesIds: [MACHINE.id, TWIN.id], startUs, endUs });
  });
}

interface Bucket {
  readonly t: number;
  readonly points: readonly (readonly [timeUs: number, value: number])[];
}

/** What a range has to be, point by point. */
function bruteForce(values: Values, answer: RangeAnswer): Bucket[] {
  if (answer.buckets?.kind !== 'uniform') throw new Error('equal buckets were expected');
  const { stepUs } = answer.buckets;
  const buckets = new Map<number, [number, number][]>();
  for (const [timeUs, value] of [...values].sort((a, b) => a[0] - b[0])) {
    if (timeUs < answer.startUs || timeUs >= answer.endUs) continue;
    const t = answer.startUs + Math.floor((timeUs - answer.startUs) / stepUs) * stepUs;
    const points = buckets.get(t) ?? [];
    points.push([timeUs, value]);
    buckets.set(t, points);
  }
  return [...buckets].map(([t, points]) => ({ t, points }));
}

/** What is wrong with one bucket, if anything. Of equal extremes either time is right, and 0 and -0 are equal. */
function faultOf(columns: M4Columns, row: number, { t, points }: Bucket): string | undefined {
  const inside = points.map(([, value]) => value);
  const [[tFirst, first], [tLast, last]] = [points[0]!, points.at(-1)!];
  const valueAt = (timeUs: number) => points.find(([time]) => time === timeUs)?.[1];
  const sum = inside.reduce((total, value) => total + value, 0);
  const magnitude = inside.reduce((total, value) => total + Math.abs(value), 0);
  const summed = columns.stats!.sum[row]!;
  const checks: Record<string, boolean> = {
    t: columns.t[row] === t,
    first: Object.is(columns.first[row], first) && columns.tFirst[row] === tFirst,
    last: Object.is(columns.last[row], last) && columns.tLast[row] === tLast,
    min:
      columns.min[row] === Math.min(...inside) && valueAt(columns.tMin[row]!) === columns.min[row],
    max:
      columns.max[row] === Math.max(...inside) && valueAt(columns.tMax[row]!) === columns.max[row],
    count: columns.stats!.count[row] === points.length,
    // What is beyond a float is not held to anything.
    sum: !Number.isFinite(magnitude) || Math.abs(summed - sum) <= 1e-12 * magnitude,
  };
  const wrong = Object.keys(checks).filter((name) => !checks[name]);
  return wrong.length === 0 ? undefined : `${wrong.join()} in the bucket at ${timestamp(t)}`;
}

function expectM4(answer: RangeAnswer, index: number, values: Values): void {
  const { columns } = answer.series[index]!;
  if (columns.kind !== 'm4') throw new Error(`m4 was expected, not ${columns.kind}`);
  const buckets = bruteForce(values, answer);
  expect(columns.t.length).toBe(buckets.length);
  // One expectation for all: one for each of half a million buckets took most of the test's time.
  const fault = buckets.map((bucket, row) => faultOf(columns, row, bucket)).find((one) => one);
  expect(fault).toBeUndefined();
}

function expectCovered(answer: RangeAnswer): void {
  let reachedUs = answer.startUs;
  for (const segment of answer.segments) {
    expect(segment.startUs).toBe(reachedUs);
    reachedUs = segment.endUs;
  }
  expect(reachedUs).toBe(answer.endUs);
}

let test: TestDatabase;
let reader: RangeReader;
let sql: postgres.Sql;
const machine = machineTemperature();
const twin = new Map([...machine].slice(0, 6000));
const times = [...machine.keys()].sort((a, b) => a - b);
const startUs = Math.floor(times[0]! / DAY_US) * DAY_US;
const endUs = times.at(-1)! + 1;
/** Nothing from here on is ever refreshed. */
const materialisedUs = Math.floor((startUs + (endUs - startUs) * 0.9) / DAY_US) * DAY_US;

beforeAll(async () => {
  test = await openTestDatabase();
  sql = test.database.reader;
  const feed = createRing({ recordsMax: 10, pointsMax: 10 });
  reader = createRangeReader({ database: test.database, feed, metrics: createMetrics() });
  await store(sql, MACHINE.id, [...machine], false);
  await store(sql, TWIN.id, [...twin], false);
  await storeStates();
  for (const { name } of ROLLUPS) await refresh(name, startUs, materialisedUs);
});

afterAll(() => test.dispose());

async function setHorizons(horizonsUs: readonly number[]): Promise<void> {
  const rows = ROLLUPS.map(
    ({ name }, index) => `('${name}', '${timestamp(horizonsUs[index]!)}'::timestamptz)`,
  );
  await sql.unsafe(`
    update tailrace.rollup r set materialised_before = w.before
    from (values ${rows.join()}) w (name, before) where r.name = w.name`);
}

/** Refreshes the stale stretch around `timeUs` up to some rollup, as a refresher does that was interrupted there. */
async function refreshAround(timeUs: number, rollups: number): Promise<void> {
  for (const { name, ordinal } of ROLLUPS.slice(0, rollups)) {
    const fromUs = Math.floor(timeUs / DAY_US) * DAY_US;
    await refresh(name, fromUs, fromUs + DAY_US);
    await sql.unsafe(`
      update tailrace.dirty_range set refreshed = greatest(refreshed, ${ordinal})
      where start_time >= '${timestamp(fromUs)}' and end_time <= '${timestamp(fromUs + DAY_US)}'`);
  }
  const last = ROLLUPS.at(-1)!.ordinal;
  await sql.unsafe(`delete from tailrace.dirty_range where refreshed >= ${last}`);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const timeIn = (fraction: number) => Math.floor(startUs + fraction * (endUs - startUs));
const value = fc.oneof(
  fc.double({ min: -1000, max: 1000, noNaN: true }),
  fc.constantFrom(0, -0, 1e300, -1e300, 5e-324, -5e-324, 1.7976931348623157e308),
);
const write = fc.record({
  twin: fc.boolean(),
  at: share,
  /** Microseconds beside a point of the series, or (0) on it: a correction. */
  besideUs: fc.constantFrom(0, 0, 1, -1, 1_000_003),
  value,
});
const steps = ['1m', '5m', '15m', '20m', '1h', '90m', '6h', '1d', '3d', '1w'];
const resolution: fc.Arbitrary<RangeResolution> = fc.oneof(
  fc.integer({ min: 1, max: 2000 }).map((pixels) => ({ kind: 'width' as const, pixels })),
  fc.constantFrom(...steps).map((step) => ({ kind: 'step' as const, ...parseStep(step) })),
);
const query = fc.record({ from: share, span: share.map((x) => x ** 4), resolution });
const round = fc.record({
  writes: fc.array(write, { maxLength: 4 }),
  refreshed: fc.option(fc.integer({ min: 1, max: ROLLUPS.length }), { freq: 3 }),
  horizons: fc.array(share, { minLength: ROLLUPS.length, maxLength: ROLLUPS.length }),
  queries: fc.array(query, { minLength: 2, maxLength: 2 }),
});

async function storeStates(): Promise<void> {
  const rows = STATES.map(
    (text, index) =>
      `(${STATE.id}, '${timestamp(startUs + index * 20_000_000)}', '${text.replaceAll("'", "''")}', ${index === 2 ? 7 : 0})`,
  );
  await sql.unsafe(
    `insert into tailrace.state_reading (series_id, time, value, quality) values ${rows.join()}`,
  );
}

describe('m4 over any mix of levels', () => {
  it('equals brute force over the raw points, with late and corrected points at every stage', async () => {
    const property = fc.asyncProperty(round, async ({ writes, refreshed, horizons, queries }) => {
      for (const one of writes) {
        const nearest = times[Math.floor(one.at * (one.twin ? 6000 : times.length - 1))]!;
        const timeUs = nearest + one.besideUs;
        const [series, values] = one.twin ? [TWIN, twin] : [MACHINE, machine];
        await store(sql, series.id, [[timeUs, one.value]], timeUs < materialisedUs);
        values.set(timeUs, one.value);
        if (refreshed !== null && timeUs < materialisedUs) await refreshAround(timeUs, refreshed);
      }
      await setHorizons(
        horizons.map((fraction, index) => {
          const { bucketUs } = ROLLUPS[index]!;
          const horizonUs = startUs + fraction * 1.2 * (materialisedUs - startUs);
          return Math.min(materialisedUs, Math.floor(horizonUs / bucketUs) * bucketUs);
        }),
      );
      for (const one of queries) {
        const fromUs = timeIn(one.from);
        const toUs = fromUs + 1 + Math.floor(one.span * (endUs - fromUs));
        const request: RangeRequest = {
          series: [MACHINE, TWIN, EMPTY],
          startUs: fromUs,
          endUs: toUs,
          resolution: one.resolution,
          stats: true,
        };
        const answer = await reader.read(request);
        expectCovered(answer);
        expectM4(answer, 0, machine);
        expectM4(answer, 1, twin);
        expectM4(answer, 2, new Map());
      }
    });
    await fc.assert(property, { numRuns: 60, endOnFailure: true });
  });
});

describe('points', () => {
  const domain = { startUs, endUs: startUs + 30 * DAY_US };
  const rawOf = (answer: RangeAnswer, index: number) => {
    const { columns } = answer.series[index]!;
    if (columns.kind !== 'raw') throw new Error('points were expected');
    return columns;
  };

  it('come page by page, in the order of the series and of time, and none is missed or repeated', async () => {
    const series = [STATE, TWIN, EMPTY, MACHINE];
    const seen = new Map<number, [number, number | string][]>();
    let pages = 0;
    let after: RawPosition | undefined;
    do {
      const resolution = { kind: 'raw', limit: 1000, ...(after && { after }) } as const;
      const answer = await reader.read({ ...domain, series, resolution });
      expect(answer).toMatchObject({ level: 'raw', buckets: null, startUs: domain.startUs });
      expect(answer.series.map((one) => one.series)).toEqual(series);
      const points = series.map((_, index) => rawOf(answer, index));
      const onPage = points.reduce((sum, { t }) => sum + t.length, 0);
      expect(onPage).toBe(answer.next === undefined ? onPage : 1000);
      for (const [index, { t, v }] of points.entries()) {
        const before = seen.get(series[index]!.id) ?? [];
        seen.set(series[index]!.id, [
          ...before,
          ...Array.from(t, (at, row) => [at, v[row]!] as const),
        ] as [number, number | string][]);
      }
      after = answer.next;
      pages += 1;
    } while (after !== undefined);
    const inside = (values: Values) =>
      [...values].filter(([t]) => t < domain.endUs).sort((a, b) => a[0] - b[0]);
    expect(seen.get(MACHINE.id)).toEqual(inside(machine));
    expect(seen.get(TWIN.id)).toEqual(inside(twin));
    expect(seen.get(EMPTY.id)).toEqual([]);
    expect(seen.get(STATE.id)!.map(([, text]) => text)).toEqual(STATES);
    expect(pages).toBe(Math.ceil((inside(machine).length + inside(twin).length + 4) / 1000));
  });

  it('say that more follow only if some do', async () => {
    const count = [...machine.keys()].filter((t) => t < domain.endUs).length;
    const ask = (limit: number) =>
      reader.read({ ...domain, series: [MACHINE, EMPTY], resolution: { kind: 'raw', limit } });
    expect((await ask(count)).next).toBeUndefined();
    expect((await ask(count - 1)).next).toMatchObject({ seriesId: MACHINE.id });
  });

  it('keep the quality, and the text of states as it came', async () => {
    const resolution = { kind: 'raw', limit: 10 } as const;
    const { v, q } = rawOf(await reader.read({ ...domain, series: [STATE], resolution }), 0);
    expect([v, [...q]]).toEqual([STATES, [0, 0, 7, 0]]);
  });

  it('refuse a page of series that are not asked for', async () => {
    const after = { seriesId: 99, timeUs: 0 };
    const resolution = { kind: 'raw', limit: 10, after } as const;
    await expect(reader.read({ ...domain, series: [MACHINE], resolution })).rejects.toMatchObject({
      code: 'bad_parameter',
    });
  });
});

describe('buckets', () => {
  it('of a state series have its first and last text', async () => {
    const resolution = { kind: 'step', stepMs: 60_000 } as const;
    const request = { series: [STATE], startUs, endUs: startUs + HOUR_US, resolution };
    const answer = await reader.read(request);
    expect(answer.series[0]!.columns).toEqual({
      kind: 'state',
      t: Float64Array.of(startUs, startUs + MINUTE_US),
      first: [STATES[0], STATES[3]],
      tFirst: Float64Array.of(startUs, startUs + MINUTE_US),
      last: [STATES[2], STATES[3]],
      tLast: Float64Array.of(startUs + 40_000_000, startUs + MINUTE_US),
      count: Float64Array.of(3, 1),
    });
    expect(answer.segments).toEqual([{ level: 'raw', startUs, endUs: startUs + HOUR_US }]);
  });

  it('of many series are read a few at a time, each as it would be alone', async () => {
    await setHorizons(ROLLUPS.map(() => materialisedUs));
    const series = Array.from({ length: 14 }, (_, index) => (index % 2 === 0 ? MACHINE : TWIN));
    const resolution = { kind: 'width', pixels: 700 } as const;
    const together = await reader.read({ series, startUs, endUs, resolution });
    const alone = await reader.read({ series: [MACHINE, TWIN], startUs, endUs, resolution });
    for (const [index, { columns }] of together.series.entries()) {
      expect(columns).toEqual(alone.series[index % 2]!.columns);
    }
    expectCovered(together);
  });

  it('are refused in numbers that nobody can draw, with a step that would do', async () => {
    const resolution = { kind: 'step', stepMs: 1 } as const;
    await expect(
      reader.read({ series: [MACHINE], startUs, endUs, resolution }),
    ).rejects.toMatchObject({ code: 'too_costly', details: { step: expect.any(String) } });
  });
});
