import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { compressRollupChunk } from '../sql/statements/compressRollupChunk.ts';
import { withClient } from '../sql/transaction.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type Refresher, startRefresher } from './refresher.ts';
import { batchOf, createTestSeries, type RowOfBatch, selectFaults } from './testing.ts';
import { createWriter, type Writer } from './writer.ts';

const log = createLog('silent');
const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const POLL = { interval: 5, timeout: 30_000 };

let opened: TestDatabase;
let writer: Writer;
let refresher: Refresher;
/** Midnight UTC, later by days in each test, so that one database serves all of them. */
let T = 1_699_920_000_000_000;
/** What the refresher takes for the present, µs since 1970. */
let nowUs: number;

function start(sliceMaxMs = 100): Refresher {
  return startRefresher({
    database: opened.database,
    log,
    metrics: createMetrics(),
    clock: () => nowUs / 1000,
    sliceMaxMs,
  });
}

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, 3);
});
afterAll(() => opened.dispose());
beforeEach(async () => {
  T += 5 * DAY;
  nowUs = T + DAY;
  writer = createWriter({ database: opened.database, log, metrics: createMetrics() });
  refresher = start();
  await refresher.refreshNow();
});
afterEach(async () => {
  await refresher.stop();
  await writer.stop();
});

async function select<Row = Record<string, unknown>>(text: string): Promise<Row[]> {
  return (await opened.database.writer.query(text)).rows as Row[];
}
const faults = () => selectFaults(opened.database);
const materialised = async () =>
  (
    await select<{ name: string; before: number }>(
      `select name, date_part('epoch', materialised_before) as before from tailrace.rollup
       where maintained order by ordinal`,
    )
  ).map((row) => [row.name, row.before * 1e6]);
const count = async (table: string, where = 'true') =>
  Number(
    (await select<{ n: string }>(`select count(*) as n from tailrace.${table} where ${where}`))[0]
      ?.n,
  );
const at = (us: number) => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;
/** Buckets of this test's days. */
const buckets = (rollup: string) => count(rollup, `bucket >= ${at(T)}`);
const write = (rows: readonly RowOfBatch[]) => writer.write(batchOf(rows));

/** Readings of two series every `stepUs` of [startUs, endUs). */
function run(startUs: number, endUs: number, stepUs: number): RowOfBatch[] {
  const length = Math.ceil((endUs - startUs) / stepUs);
  return Array.from({ length: 2 * length }, (_, i) => ({
    id: 1 + (i % 2),
    t: startUs + (i >> 1) * stepUs,
    v: Math.sin(i) * 1000,
  }));
}

describe('the refresher', () => {
  it('materialises every rollup up to the horizon, by whole buckets', async () => {
    await write(run(nowUs, nowUs + DAY, 60e6));
    nowUs += DAY + 20 * MINUTE + 31e6;
    await refresher.refreshNow();
    expect(await materialised()).toEqual([
      ['rollup_1m', T + 2 * DAY + 19 * MINUTE],
      ['rollup_5m', T + 2 * DAY + 15 * MINUTE],
      ['rollup_15m', T + 2 * DAY + 15 * MINUTE],
      ['rollup_1h', T + 2 * DAY],
      ['rollup_6h', T + 2 * DAY],
      ['rollup_1d', T + 2 * DAY],
    ]);
    expect(await buckets('rollup_1m')).toBe(2 * 24 * 60);
    expect(await buckets('rollup_1d')).toBe(2);
    expect(await faults()).toEqual([]);
  });

  it('starts with the oldest reading where history was there before it', async () => {
    await refresher.stop();
    await select("update tailrace.rollup set materialised_before = '-infinity'");
    await select("update tailrace.late_horizon set late_before = '-infinity'");
    await write(run(T - 3 * DAY, T - 3 * DAY + HOUR, 60e6));
    await write(run(T, T + HOUR, 60e6));
    refresher = start();
    await refresher.refreshNow();
    expect(await materialised()).toContainEqual(['rollup_1d', T]);
    expect(await count('rollup_1m', `bucket >= ${at(T - 3 * DAY)}`)).toBe(2 * 2 * 60);
    expect(await faults()).toEqual([]);
  });

  it('brings late readings and corrections into every rollup, and takes the marks back', async () => {
    await write(run(nowUs, nowUs + 2 * HOUR, 60e6));
    nowUs += DAY + HOUR;
    await refresher.refreshNow();
    const late = await write([
      { id: 1, t: T + DAY + 10 * MINUTE, v: 1e6 },
      { id: 2, t: T + DAY + 90 * MINUTE + 1, v: -1e6 },
      { id: 3, t: T - 40 * DAY, v: 7 },
    ]);
    expect(late).toMatchObject({ corrected: 1, inserted: 2, late: 3 });
    expect(await count('dirty_range')).toBe(3);
    expect(await faults()).toEqual([]);
    await refresher.refreshNow();
    expect(await count('dirty_range')).toBe(0);
    expect(await faults()).toEqual([]);
    for (const level of ['1m', '5m', '15m', '1h', '6h', '1d']) {
      const extremes = `select max(max) as max, min(min) as min, count(*) filter (where series_id = 3)::int as old
        from tailrace.rollup_${level} where bucket >= ${at(T)} or series_id = 3`;
      expect(await select(extremes)).toEqual([{ max: 1e6, min: -1e6, old: 1 }]);
    }
  });

  it('brings late readings into compressed chunks too', async () => {
    await write(run(nowUs, nowUs + HOUR, 60e6));
    nowUs += DAY + HOUR;
    await refresher.refreshNow();
    await select(
      `select compress_chunk(c) from show_chunks('tailrace.reading', newer_than => ${at(T)}) c`,
    );
    await write([
      { id: 1, t: T + DAY + 10 * MINUTE, v: 1e6 },
      { id: 2, t: T + DAY + 10 * MINUTE + 5, v: 1e6 },
    ]);
    await refresher.refreshNow();
    expect(await count('dirty_range')).toBe(0);
    expect(await faults()).toEqual([]);
    expect(await count('rollup_1d', `bucket >= ${at(T)} and max = 1e6`)).toBe(2);
  });

  it('brings late readings into compressed chunks of rollups too', async () => {
    await write(run(nowUs, nowUs + HOUR, 60e6));
    nowUs += 21 * DAY;
    await refresher.refreshNow();
    const compress = (bytesMax: number | null) =>
      withClient(opened.database, (client) =>
        compressRollupChunk(client, 7 * 86_400_000, bytesMax),
      );
    expect(await compress(1000)).toBe(false);
    while (await compress(null));
    const [compressed] = await select<{ n: number }>(`
      select count(*)::int as n from timescaledb_information.chunks
      where is_compressed and hypertable_name like '_materialized%' and range_end > ${at(T)}`);
    expect(compressed?.n).toBeGreaterThan(0);
    await write([{ id: 1, t: T + DAY + 10 * MINUTE, v: 1e6 }]);
    await refresher.refreshNow();
    expect([await faults(), await count('dirty_range')]).toEqual([[], 0]);
    expect(await count('rollup_1m', `bucket >= ${at(T)} and max = 1e6`)).toBe(1);
    T += 20 * DAY;
  });

  it('goes on where it was stopped', async () => {
    await write(run(nowUs, nowUs + DAY, 60e6));
    nowUs += DAY + HOUR;
    // Slices of a bucket, as nothing is ever quick enough: there is time to stop between them.
    await refresher.stop();
    refresher = start(0);
    const running = refresher.refreshNow();
    await expect.poll(async () => (await materialised())[0]?.[1], POLL).toBeGreaterThan(T + DAY);
    await refresher.stop();
    await running;
    expect((await materialised())[0]?.[1]).toBeLessThan(nowUs - MINUTE);
    expect(await faults()).toEqual([]);
    refresher = start();
    await refresher.refreshNow();
    expect((await materialised())[0]).toEqual(['rollup_1m', nowUs - MINUTE]);
    expect(await faults()).toEqual([]);
  });

  it('refreshes nothing of which the source is no longer held', async () => {
    await write(run(nowUs, nowUs + HOUR, 60e6));
    nowUs += DAY;
    await refresher.refreshNow();
    const kept = await buckets('rollup_1m');
    await select(`update tailrace.rollup set kept_from = ${at(nowUs)}`);
    await select(`delete from tailrace.reading where time >= ${at(T)}`);
    await select(`insert into tailrace.dirty_range (series_id, start_time, end_time)
      select id, ${at(T)}, ${at(nowUs)} from tailrace.series`);
    await refresher.refreshNow();
    expect([await buckets('rollup_1m'), await count('dirty_range')]).toEqual([kept, 0]);
    await select("update tailrace.rollup set kept_from = '-infinity'");
    await select(`insert into tailrace.dirty_range (series_id, start_time, end_time)
      select id, ${at(T)}, ${at(nowUs)} from tailrace.series`);
    await refresher.refreshNow();
    expect(await buckets('rollup_1m')).toBe(0);
  });

  it('begins by itself when there is something to do', async () => {
    await write(run(nowUs, nowUs + HOUR, 60e6));
    nowUs += DAY;
    await refresher.stop();
    refresher = start();
    await expect.poll(materialised, POLL).toContainEqual(['rollup_1d', T + DAY]);
  });
});

describe('writers and refreshers at the same time', () => {
  it('never let a reader take from a rollup what the readings do not say', async () => {
    // Two refreshers are two processes; the embedded engine serves one.
    const others = opened.database.embedded ? [] : [start(0), start()];
    const second = createWriter({ database: opened.database, log, metrics: createMetrics() });
    await write(run(T, T + DAY, 20 * MINUTE));
    let random = 42;
    const next = (max: number) => {
      // A linear congruence is random enough, and the same in every run.
      random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
      return random % max;
    };
    const found: unknown[] = [];
    for (let round = 0; round < 8; round++) {
      nowUs += 7 * MINUTE;
      const rows = () =>
        Array.from({ length: 1 + next(20) }, () => ({
          id: 1 + next(3),
          t: nowUs - next(next(3) === 0 ? 4 * HOUR : 10 * MINUTE),
          v: next(1000),
        }));
      await Promise.all([
        write(rows()),
        second.write(batchOf(rows())),
        refresher.refreshNow(),
        faults().then((now) => found.push(...now)),
        second.write(batchOf(rows())),
        others[round % 2]?.refreshNow(),
        write(rows()),
        faults().then((now) => found.push(...now)),
      ]);
    }
    expect(found).toEqual([]);
    // One refreshes at a time, and leaves it to whoever is at it.
    await Promise.all(others.map((other) => other.stop()));
    await refresher.refreshNow();
    expect([await faults(), await count('dirty_range')]).toEqual([[], 0]);
    await second.stop();
  });
});
