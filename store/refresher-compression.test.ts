// A chunk of a rollup that cannot be compressed: it is said, not again before it is looked again, and rollups are kept up
// all the same.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { startRefresher } from './refresher.ts';
import { batchOf, createTestSeries, selectFaults } from './testing.ts';
import { createWriter } from './writer.ts';

const DAY = 86_400_000_000;
const T = 1_699_920_000_000_000;
const POLL = { interval: 20, timeout: 30_000 };

let opened: TestDatabase;

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, 1);
  // A user's own schema is looked at first.
  await opened.database.writer.query(`
    create function public.refuse() returns regclass language plpgsql as $$ begin raise 'as the test wants it'; end $$;
    do $$ begin execute format('create schema if not exists %I', current_user); end $$;
    do $$ begin execute format(
      'create function %I.compress_chunk(regclass) returns regclass language sql as ''select public.refuse()''',
      current_user); end $$`);
});
afterAll(() => opened.dispose());

it('is logged by its name, and late readings are brought into rollups beside it', async () => {
  const { database } = opened;
  const log = createLog('silent');
  const said: string[] = [];
  log.error = (...told: unknown[]) => {
    said.push(String(told[1]));
  };
  const metrics = createMetrics();
  const writer = createWriter({ database, log, metrics });
  await writer.write(batchOf([{ id: 1, t: T, v: 1 }]));
  const refresher = startRefresher({
    ...{ database, log, metrics, clock: () => (T + 40 * DAY) / 1000 },
    compressLookMs: 0,
  });
  await refresher.refreshNow();
  await expect.poll(() => said, POLL).toContain('an old chunk of a rollup could not be compressed');
  await writer.write(batchOf([{ id: 1, t: T + 7, v: 5 }]));
  const marks = () => database.writer.query('select from tailrace.dirty_range');
  await expect.poll(async () => (await marks()).rowCount, POLL).toBe(0);
  expect(await selectFaults(database)).toEqual([]);
  expect(new Set(said).size).toBe(1);
  await refresher.stop();
  await writer.stop();
}, 60_000);
