// Families of rollups that are turned on, off and on again: what is materialised is always what the readings say.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type RefresherOptions, startRefresher } from './refresher.ts';
import { batchOf, createTestSeries } from './testing.ts';
import { createWriter, type Writer } from './writer.ts';

const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const T = Date.parse('2026-03-02T00:00:00Z') * 1000;

const log = createLog('silent');
let opened: TestDatabase;
let writer: Writer;

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, 1);
  writer = createWriter({ database: opened.database, log, metrics: createMetrics() });
  await write(Array.from({ length: 3 * 60 }, (_, i) => [T + i * MINUTE, i]));
});
afterAll(async () => {
  await writer.stop();
  await opened.dispose();
});

const select = async (text: string) => (await opened.database.writer.query(text)).rows;

async function write(points: readonly (readonly [timeUs: number, value: number])[]) {
  await writer.write(batchOf(points.map(([t, v]) => ({ id: 1, t, v }))));
}

async function refreshWith(families: NonNullable<RefresherOptions['families']>): Promise<void> {
  const { database } = opened;
  const clock = () => (T + 4 * HOUR) / 1000;
  const refresher = startRefresher({ database, log, metrics: createMetrics(), clock, families });
  await refresher.refreshNow();
  await refresher.stop();
}

/** Of each family: which levels are kept up, and the value of the second hour's last point. */
async function told() {
  const kept = await select(
    'select name from tailrace.rollup where maintained and bucket_ms < 86400000 order by ordinal',
  );
  const [path] = await select(
    "select last from tailrace.path_1h where bucket = '2026-03-02T01:00Z'",
  );
  const [sketch] = await select(
    "select value_buckets from tailrace.sketch_1h where bucket = '2026-03-02T01:00Z'",
  );
  return {
    kept: kept.map(({ name }) => name),
    last: path?.last,
    greatest: sketch?.value_buckets.at(-1),
  };
}

it('catches up from the beginning each time that a family is turned on', async () => {
  const m4 = ['rollup_1m', 'rollup_5m', 'rollup_15m', 'rollup_1h', 'rollup_6h'];
  await refreshWith(['m4']);
  expect(await told()).toEqual({ kept: m4, last: undefined, greatest: undefined });

  await refreshWith(['m4', 'path', 'sketch']);
  const all = await told();
  expect(all.kept.toSorted()).toEqual(
    [...m4, 'path_1m', 'path_15m', 'path_1h', 'sketch_15m', 'sketch_1h'].toSorted(),
  );
  expect(all.last).toBe(119);

  await refreshWith(['m4']);
  await write([[T + 2 * HOUR - 1, 7000]]);
  await refreshWith(['m4']);
  expect(await told()).toEqual({ ...all, kept: m4 });
  expect(await select('select 1 from tailrace.dirty_range')).toEqual([]);

  await refreshWith(['m4', 'path', 'sketch']);
  const again = await told();
  expect(again.last).toBe(7000);
  expect(again.greatest).toBeGreaterThan(all.greatest);
}, 180_000);
