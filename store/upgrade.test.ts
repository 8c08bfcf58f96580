// An upgrade from the release that had TimescaleDB refresh its rollups, with data in it: what the old one marked is
// refreshed, what its refresher does while it still runs changes nothing, and TimescaleDB's own account stays empty.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { REFRESHER_LOCK } from '../sql/locks.ts';
import { migrate } from '../sql/migrate.ts';
import { withClient } from '../sql/transaction.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { startRefresher } from './refresher.ts';
import { batchOf, createTestSeries, selectFaults } from './testing.ts';
import { createWriter } from './writer.ts';

const log = createLog('silent');
const SQL = fileURLToPath(new URL('../sql/', import.meta.url));
const LEVELS = ['1m', '15m', '1h', '1d'];
const DAY = 86_400_000_000;
const MINUTE = 60_000_000;
const T = 1_700_006_400_000_000;
/** What the old refresher reads first in each of its runs. */
const OLD_FIRST_STATEMENT = `
select name, ordinal, date_part('epoch', refreshable_from) from tailrace.rollup where maintained order by ordinal`;

let opened: TestDatabase;
let folder: string;

beforeAll(async () => {
  opened = await openTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'tailrace-upgrade-'));
  mkdirSync(join(folder, 'migrations'));
  for (const name of readdirSync(join(SQL, 'migrations'))) {
    if (name < '0006') cpSync(join(SQL, 'migrations', name), join(folder, 'migrations', name));
  }
  await select('drop schema tailrace cascade');
  await migrate(opened.database, { log, directory: pathToFileURL(`${folder}/`) });
});
afterAll(async () => {
  await opened.dispose();
  rmSync(folder, { recursive: true });
});

async function select<Row = Record<string, unknown>>(text: string): Promise<Row[]> {
  return (await opened.database.writer.query(text)).rows as Row[];
}

const at = (us: number) => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;

const accountOfTimescale = () =>
  select('select * from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log');

/** Four days of three series, refreshed; a late reading whose mark was claimed and is not settled. */
async function workAsBefore(): Promise<void> {
  await createTestSeries(opened.database, 3);
  await select(`insert into tailrace.reading
    select s, t, s, 0 from generate_series(1, 3) s, generate_series(${at(T)}, ${at(T + 4 * DAY - 1)}, '1 minute') t`);
  for (const level of LEVELS) {
    await select(
      `call refresh_continuous_aggregate('tailrace.rollup_${level}', ${at(T)}, ${at(T + 4 * DAY)})`,
    );
  }
  await select(
    `update tailrace.rollup set materialised_before = ${at(T + 4 * DAY)} where maintained`,
  );
  await select(`update tailrace.late_horizon set late_before = ${at(T + 4 * DAY)}`);
  await select(`insert into tailrace.reading values (1, ${at(T + DAY + 1)}, 99, 0)`);
  await select(`insert into tailrace.dirty_range (series_id, start_time, end_time, refreshed, claimed)
    values (1, ${at(T + DAY)}, ${at(T + DAY + MINUTE)}, 20, true)`);
}

it('waits for the old refresher, stops it, and goes on with what it left', async () => {
  await workAsBefore();
  expect(await accountOfTimescale()).not.toEqual([]);
  const { database } = opened;
  await withClient(database, async (old) => {
    await old.query(OLD_FIRST_STATEMENT);
    await old.query(`select pg_advisory_lock(${REFRESHER_LOCK.join(', ')})`);
    let isMigrated = false;
    const migrating = migrate(database, { log }).then(() => {
      isMigrated = true;
    });
    // Embedded there is one session, which has every lock, and one process.
    if (!database.embedded) {
      const waiting = () =>
        old.query(
          "select 1 from pg_stat_activity where wait_event_type = 'Lock' and wait_event = 'advisory'",
        );
      await expect.poll(async () => (await waiting()).rowCount, { timeout: 20_000 }).toBe(1);
      expect(isMigrated).toBe(false);
    }
    await old.query(`select pg_advisory_unlock(${REFRESHER_LOCK.join(', ')})`);
    await migrating;
    await expect(old.query(OLD_FIRST_STATEMENT)).rejects.toMatchObject({ code: '42703' });
  });

  const metrics = createMetrics();
  const writer = createWriter({ database, log, metrics });
  const refresher = startRefresher({ database, log, metrics, clock: () => (T + 5 * DAY) / 1000 });
  for (const id of [1, 2, 3]) {
    await writer.write(batchOf([{ id, t: T + 2 * DAY + id, v: -id }]));
    await writer.write(batchOf([{ id, t: T - 2 * DAY + id, v: -id }]));
  }
  await refresher.refreshNow();
  await writer.write(batchOf([{ id: 1, t: T + 3 * DAY + 7, v: 7 }]));
  await refresher.refreshNow();
  expect(await selectFaults(database)).toEqual([]);
  expect(await select('select * from tailrace.dirty_range')).toEqual([]);
  expect(await select(`select max from tailrace.rollup_1d where max = 99`)).toHaveLength(1);
  expect(await accountOfTimescale()).toEqual([]);
  await refresher.stop();
  await writer.stop();
}, 120_000);
