// Late data in bulk: what a backfill costs those who sent none, and that its marks are bounded whatever its shape.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { boundDirtyRanges } from './bound-dirty-ranges.ts';
import { GAP_MAX_US } from './dirty-ranges.ts';
import { createRefreshRun, type RefreshRunOptions } from './refresh-run.ts';
import { batchOf, createTestSeries, selectFaults } from './testing.ts';
import { createWriter, type Writer } from './writer.ts';

const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Midnight UTC, later in each test, so that one database serves all of them. */
let T = 1_699_920_000_000_000;
const SERIES = 200;

let opened: TestDatabase;
let writer: Writer;

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, SERIES);
  writer = createWriter({
    database: opened.database,
    log: createLog('silent'),
    metrics: createMetrics(),
  });
});
afterAll(async () => {
  await writer.stop();
  await opened.dispose();
});

const select = async (text: string) => (await opened.database.writer.query(text)).rows;
const dirtyRanges = async () =>
  (await select('select count(*)::int as n from tailrace.dirty_range'))[0].n as number;

function refreshing(more: Partial<RefreshRunOptions> = {}) {
  const slices: Parameters<RefreshRunOptions['onSlice']>[0][] = [];
  const run = createRefreshRun({
    database: opened.database,
    // However slow the machine is, slices are as large here as they come, and are the same ones.
    sliceMaxMs: 60_000,
    budgetMs: 60_000,
    signal: new AbortController().signal,
    onSlice: (slice) => slices.push(slice),
    ...more,
  });
  return { slices, run };
}

/** A reading a minute of each of these series in [startUs, endUs). */
async function send(seriesIds: readonly number[], startUs: number, endUs: number, v: number) {
  const minutes = (endUs - startUs) / MINUTE;
  const rows = Array.from({ length: minutes * seriesIds.length }, (_, i) => ({
    id: seriesIds[i % seriesIds.length]!,
    t: startUs + Math.floor(i / seriesIds.length) * MINUTE,
    v,
  }));
  return await writer.write(batchOf(rows));
}

const all = Array.from({ length: SERIES }, (_, i) => i + 1);
const rig = all.slice(0, 10);

beforeEach(() => {
  T += 2 * DAY;
});

it('makes hardly more rows of a rollup again than late readings came', async () => {
  await send(all.slice(10), T, T + 2 * HOUR, 1);
  const { run, slices } = refreshing();
  await run(T + DAY, MINUTE);
  slices.length = 0;
  const { late } = await send(rig, T, T + 6 * HOUR, 2);
  expect(late).toBe(rig.length * 6 * 60);
  expect(await run(T + DAY, MINUTE)).toBe(false);

  const again = slices.filter(({ cause }) => cause === 'late');
  const rows = again.reduce((sum, slice) => sum + slice.rows, 0);
  // A minute, and shares of 5 and 15 minutes, 1 and 6 hours and day.
  expect(rows / late).toBeLessThan(1.31);
  expect(rows / late).toBeGreaterThanOrEqual(1);
  expect([await dirtyRanges(), await selectFaults(opened.database)]).toEqual([0, []]);
});

it('makes what is new before anything that is late, and gives way when its time is over', async () => {
  await send(all, T, T + MINUTE, 1);
  await refreshing().run(T + 6 * HOUR, MINUTE);
  await send(rig, T, T + 6 * HOUR, 2);
  const { run, slices } = refreshing({ budgetMs: 0 });
  let runs = 0;
  let more = true;
  while (more) {
    slices.length = 0;
    const presentUs = T + 6 * HOUR + ++runs * MINUTE;
    await send([SERIES], presentUs - 2 * MINUTE, presentUs - MINUTE, 3);
    more = await run(presentUs, MINUTE);
    const causes = slices.map(({ cause }) => cause);
    expect(causes.lastIndexOf('fresh')).toBeLessThan(causes.indexOf('late') >>> 0);
    const [minutes] = await select(`
      select date_part('epoch', materialised_before) * 1e6 as before from tailrace.rollup where name = 'rollup_1m'`);
    if (causes.includes('fresh')) expect(minutes.before).toBe(presentUs - MINUTE);
    expect(await selectFaults(opened.database)).toEqual([]);
  }
  // It was done bit by bit: a run of no time takes one piece of what is late.
  expect(runs).toBeGreaterThan(1);
  expect([await dirtyRanges(), await selectFaults(opened.database)]).toEqual([0, []]);
}, 120_000);

it('keeps the marks of a backfill of random points over a year bounded', async () => {
  const MAX = 200;
  const { run } = refreshing();
  await send([1], T, T + MINUTE, 1);
  await run(T + DAY, MINUTE);
  let random = 7;
  const next = (max: number) => {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    return random % max;
  };
  const bound = async () => {
    const client = await opened.database.writer.connect();
    try {
      await client.query('begin');
      await boundDirtyRanges(client, MAX);
      await client.query('commit');
    } finally {
      client.release();
    }
  };
  const counts: number[] = [];
  for (let round = 0; round < 8; round++) {
    const rows = Array.from({ length: 160 }, () => ({
      id: 1 + next(40),
      t: T - 30 * DAY + next(30 * 1440) * MINUTE,
      v: round,
    }));
    await writer.write(batchOf(rows));
    await bound();
    counts.push(await dirtyRanges());
  }
  expect(Math.max(...counts)).toBeLessThanOrEqual(MAX);
  // Writers join marks themselves by now: without anybody counting, there is no more than one a series and claim.
  await writer.write(
    batchOf(all.slice(0, 40).map((id) => ({ id, t: T - 20 * DAY - next(1440) * MINUTE, v: 9 }))),
  );
  expect(await dirtyRanges()).toBeLessThanOrEqual(MAX);
  expect(await selectFaults(opened.database)).toEqual([]);

  await run(T + DAY, MINUTE);
  expect([await dirtyRanges(), await selectFaults(opened.database)]).toEqual([0, []]);
  await bound();
  const [gap] = await select(
    'select extract(epoch from mark_gap) * 1e6 as us from tailrace.late_horizon',
  );
  expect(Number(gap.us)).toBe(GAP_MAX_US);
}, 120_000);
