// The families path and sketch, each level from the one below, against the readings point by point.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { withClient } from '../transaction.ts';
import { mergeRollup } from './mergeRollup.ts';
import { type MaintainedRollup, selectMaintainedRollups } from './selectMaintainedRollups.ts';

const MINUTE_US = 60_000_000;
const DAY_US = 1440 * MINUTE_US;
const START_US = Date.parse('2026-03-02T00:00:00Z') * 1000;
const SERIES = [1, 2, 3];
const SLICE = { seriesIds: SERIES, startUs: START_US, endUs: START_US + 2 * DAY_US };

interface Point {
  readonly timeUs: number;
  readonly value: number;
}

/**
 * Points at irregular times, some minutes without any and some with one; a counter that is reset, values of either sign,
 * zeros, tiny and huge ones.
 */
function pointsOf(series: number): Point[] {
  const points: Point[] = [];
  for (let i = 0; i < 2200; i++) {
    const timeUs = START_US + i * 37_123_457 + ((i * i) % 11) * 1_700_001 + (i % 53 === 0 ? 1 : 0);
    points.push({ timeUs, value: valueAt(series, i) });
  }
  return points.filter(({ timeUs }) => timeUs < SLICE.endUs).sort((a, b) => a.timeUs - b.timeUs);
}

function valueAt(series: number, i: number): number {
  if (series === 1) return i % 400;
  if (i % 97 === 0) return [0, -0, 5e-324, -1e-300, 1e-10][i % 5]!;
  if (series === 3 && i === 700) return 1.7e308;
  return 100 * Math.sin(i * series) * (i % 10 === 0 ? 1e6 : 1);
}

let opened: TestDatabase;
let rollups: MaintainedRollup[];
const points = new Map(SERIES.map((series) => [series, pointsOf(series)]));

const select = async (text: string) => (await opened.database.writer.query(text)).rows;

beforeAll(async () => {
  opened = await openTestDatabase();
  await select("update tailrace.rollup set maintained = family <> 'm4'");
  for (const [series, list] of points) {
    const times = list.map(({ timeUs }) => timeUs).join();
    const values = list.map(({ value }) => (Object.is(value, -0) ? '-0' : String(value))).join();
    await select(`
      insert into tailrace.reading (series_id, time, value)
      select ${series}, timestamptz 'epoch' + t * interval '1 microsecond', v
      from unnest('{${times}}'::int8[], '{${values}}'::float8[]) p (t, v)`);
  }
  rollups = await withClient(opened.database, selectMaintainedRollups);
});
afterAll(() => opened.dispose());

function bucketsOf(list: readonly Point[], bucketUs: number): Map<number, Point[]> {
  const buckets = new Map<number, Point[]>();
  for (const point of list) {
    const start = Math.floor(point.timeUs / bucketUs) * bucketUs;
    buckets.set(start, [...(buckets.get(start) ?? []), point]);
  }
  return buckets;
}

function summable(value: number): number {
  if (Math.abs(value) <= 1e-300) return 0;
  return Math.abs(value) <= 1e140 ? value : Number.NaN;
}

const us = (column: string) => `(date_part('epoch', ${column}) * 1e6)::int8::float8 as ${column}`;

/** Sum over neighbours, and the sum of the magnitudes that it is made of. */
function overGaps(run: readonly Point[], of: (a: number, b: number, seconds: number) => number) {
  let sum = 0;
  let size = 0;
  for (const [i, { timeUs, value }] of run.entries()) {
    const before = run[i - 1];
    if (before === undefined) continue;
    const seconds = (timeUs - before.timeUs) / 1e6;
    const [a, b] = [summable(before.value), summable(value)];
    sum += of(a, b, seconds);
    size += of(Math.abs(a), Math.abs(b), seconds) + Math.abs(a);
  }
  return { sum, size };
}

function isNear(found: number, { sum, size }: { sum: number; size: number }): boolean {
  return Number.isNaN(sum) ? Number.isNaN(found) : Math.abs(found - sum) <= 1e-12 * size;
}

async function pathFaults({ name, bucketUs }: MaintainedRollup): Promise<string[]> {
  const faults: string[] = [];
  for (const [series, list] of points) {
    const rows = await select(`
      select ${us('bucket')}, ${us('t_first')}, first, ${us('t_last')}, last, area, step_area, increase
      from tailrace.${name} where series_id = ${series} order by 1`);
    const buckets = [...bucketsOf(list, bucketUs)];
    if (rows.length !== buckets.length) faults.push(`${name}: ${rows.length} rows`);
    for (const [i, [start, run]] of buckets.entries()) {
      const row = rows[i];
      const isRight =
        row?.bucket === start &&
        row.t_first === run[0]!.timeUs &&
        Object.is(row.first, run[0]!.value) &&
        row.t_last === run.at(-1)!.timeUs &&
        Object.is(row.last, run.at(-1)!.value) &&
        isNear(
          row.area,
          overGaps(run, (a, b, seconds) => (seconds * (a + b)) / 2),
        ) &&
        isNear(
          row.step_area,
          overGaps(run, (a, _, seconds) => seconds * a),
        ) &&
        isNear(
          row.increase,
          overGaps(run, (a, b) => (b >= a ? b - a : b + 0 * a)),
        );
      if (!isRight) faults.push(`${name} of ${series}: ${JSON.stringify(row)}`);
    }
  }
  return faults;
}

async function sketchFaults({ name, bucketUs }: MaintainedRollup): Promise<string[]> {
  const faults: string[] = [];
  for (const [series, list] of points) {
    const rows = await select(`
      select ${us('bucket')}, value_buckets, counts from tailrace.${name} where series_id = ${series} order by 1`);
    const buckets = [...bucketsOf(list, bucketUs)];
    if (rows.length !== buckets.length) faults.push(`${name}: ${rows.length} rows`);
    for (const [i, [start, run]] of buckets.entries()) {
      const counts = new Map<number, number>();
      for (const { value } of run) {
        const [bucket] = [bucketOf(value)];
        counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
      }
      const expected = [...counts].sort((a, b) => a[0] - b[0]);
      const row = rows[i];
      const isRight =
        row?.bucket === start &&
        String(row.value_buckets) === String(expected.map(([bucket]) => bucket)) &&
        String(row.counts) === String(expected.map(([, count]) => count));
      if (!isRight) faults.push(`${name} of ${series}: ${JSON.stringify(row)}`);
    }
  }
  return faults;
}

function bucketOf(value: number): number {
  const size = Math.abs(value);
  if (size < 2.2250738585072014e-308) return 0;
  return Math.sign(value) * (35_500 + Math.ceil(Math.log(size) / Math.log(1.01 / 0.99)));
}

const faultsOf = (rollup: MaintainedRollup) =>
  rollup.family === 'path' ? pathFaults(rollup) : sketchFaults(rollup);

it('makes paths and sketches level on level as the points have them, again, and where they are compressed', async () => {
  expect(rollups.map(({ name }) => name)).toEqual([
    ...['path_1m', 'path_15m', 'sketch_15m', 'path_1h', 'sketch_1h', 'path_1d', 'sketch_1d'],
  ]);
  await withClient(opened.database, async (client) => {
    for (const round of ['first', 'again', 'compressed']) {
      for (const rollup of rollups) {
        expect(await mergeRollup(client, rollup, SLICE)).toBeGreaterThan(0);
        expect([round, await faultsOf(rollup)]).toEqual([round, []]);
      }
      if (round === 'again') await compressRollups();
    }
  });
}, 120_000);

it('makes a part anew, which leaves the rest as it was', async () => {
  const list = points.get(2)!;
  const changed = list.findIndex(({ timeUs }) => timeUs > START_US + DAY_US / 2);
  list[changed] = { ...list[changed]!, value: -77 };
  await select(`
    update tailrace.reading set value = -77 where series_id = 2
    and time = timestamptz 'epoch' + ${list[changed]!.timeUs} * interval '1 microsecond'`);
  await withClient(opened.database, async (client) => {
    for (const rollup of rollups) {
      const { bucketUs } = rollup;
      const startUs = Math.floor(list[changed]!.timeUs / bucketUs) * bucketUs;
      await mergeRollup(client, rollup, { seriesIds: [2], startUs, endUs: startUs + bucketUs });
      expect(await faultsOf(rollup)).toEqual([]);
    }
  });
});

it('has the buckets of values that the routine has', async () => {
  const rows = await select(`
    select count(*)::int as n from (
      select series_id, time_bucket('15 minutes', time) as bucket, tailrace.sketch_bucket(value) as b, count(*)::int as n
      from tailrace.reading group by 1, 2, 3
    ) a full join (
      select series_id, bucket, b, n from tailrace.sketch_15m, unnest(value_buckets, counts) c (b, n)
    ) s using (series_id, bucket, b, n) where a.series_id is null or s.series_id is null`);
  expect(rows).toEqual([{ n: 0 }]);
});

async function compressRollups(): Promise<void> {
  for (const { name } of rollups.filter(({ bucketUs }) => bucketUs < DAY_US)) {
    await select(`select compress_chunk(c) from show_chunks('tailrace.${name}') c`);
  }
}
