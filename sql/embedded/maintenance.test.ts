import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { makeMigratedDataDir } from '../../test/database.ts';
import { type Backend, openBackend } from './backend.ts';
import {
  IDLE_CHECKPOINT_BYTES_MAX,
  nextCleaning,
  selectLogBytes,
  type TableChanges,
} from './housekeeping.ts';
import {
  afterRun,
  dueJob,
  type Job,
  reschedule,
  runJob,
  type Schedule,
  selectJobs,
} from './jobs.ts';
import { startMaintenance } from './maintenance.ts';
import { createSession } from './session.ts';
import { createSettingsSwitch } from './settings.ts';

const HOUR_MS = 3_600_000;

function job(id: number, intervalMs = HOUR_MS): Job {
  return { id, procedure: 'p', intervalMs, config: null };
}

describe('the schedule', () => {
  test('a new job waits a little, a known one keeps its time, one that is gone is forgotten', () => {
    const before: Schedule = new Map([
      [1, 5_000],
      [2, 6_000],
    ]);
    expect([...reschedule(before, [job(1), job(3)], 1_000)]).toEqual([
      [1, 5_000],
      [3, 31_000],
    ]);
  });

  test('the job that has been due for the longest goes first', () => {
    const schedule: Schedule = new Map([
      [1, 900],
      [2, 800],
      [3, 2_000],
    ]);
    const known = [job(1), job(2), job(3)];
    expect(dueJob(schedule, known, 1_000)?.id).toBe(2);
    expect(dueJob(schedule, known, 700)).toBeUndefined();
  });

  test.each([
    ['after its interval', HOUR_MS, false, HOUR_MS],
    ['not more often than every ten seconds', 1, false, 10_000],
    ['after five minutes when it failed', 1_000, true, 300_000],
  ])('a job runs again %s', (_when, intervalMs, failed, pauseMs) => {
    expect(afterRun(new Map(), job(1, intervalMs), 50, failed).get(1)).toBe(50 + pauseMs);
  });
});

describe('cleaning', () => {
  const table = (changes: Partial<TableChanges>): TableChanges => ({
    table: 't',
    rows: 0,
    pages: 10,
    dead: 0,
    changed: 0,
    ...changes,
  });
  test.each([
    ['nothing has changed', table({}), undefined],
    ['many rows are dead', table({ dead: 600, changed: 600 }), 'vacuum (analyze) t'],
    ['few of many are dead', table({ rows: 100_000, dead: 600, changed: 600 }), undefined],
    ['many have come', table({ changed: 30_000 }), 'analyze t'],
    ['it is too large to vacuum', table({ pages: 9_000, dead: 1_000, changed: 1_000 }), undefined],
  ])('when %s', (_when, changes, statement) => {
    expect(nextCleaning([changes], new Map())?.statement).toBe(statement);
  });

  test('takes the table that wants it most, and none twice for the same changes', () => {
    const tables = [
      table({ table: 'a', dead: 600, changed: 600 }),
      table({ table: 'b', dead: 6_000, changed: 6_000 }),
    ];
    expect(nextCleaning(tables, new Map())?.table.table).toBe('b');
    const cleaned = new Map([['b', { dead: 6_000, changed: 6_000 }]]);
    expect(nextCleaning(tables, cleaned)?.table.table).toBe('a');
  });
});

describe('on a database', () => {
  let dataDir: string;
  let backend: Backend;

  beforeAll(async () => {
    dataDir = await makeMigratedDataDir();
    backend = await openBackend(join(dataDir, 'db'), 1 << 24, { syncs: false });
  });

  afterAll(() => {
    backend.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  function insertDay(daysAgo: number): void {
    backend.query(`insert into tailrace.reading (series_id, time, value)
      select 1, date_trunc('day', now()) - ${daysAgo} * interval '1 day' + i * interval '1 minute', i
      from generate_series(0, 1439) i`);
  }

  const compressed = () =>
    Number(
      backend.query(`select count(*) from timescaledb_information.chunks
        where hypertable_name = 'reading' and is_compressed`)[0]?.[0],
    );

  test('compression is run chunk by chunk, until none is left', () => {
    for (const daysAgo of [20, 21, 22]) insertDay(daysAgo);
    const policy = selectJobs(backend).find((known) =>
      known.config?.includes('"hypertable_id": 1,'),
    );
    const seen: number[] = [];
    for (const _ of runJob(backend, policy!)) seen.push(compressed());
    expect(seen).toEqual([1, 2, 3]);
  });

  test('due jobs are run and checkpoints made while nobody uses the database', async () => {
    insertDay(30);
    const before = compressed();
    expect(selectLogBytes(backend)).toBeGreaterThan(IDLE_CHECKPOINT_BYTES_MAX);
    let aheadMs = 0;
    const nowMs = () => performance.now() + aheadMs;
    const session = createSession(nowMs);
    const log = createLog('silent');
    const settings = createSettingsSwitch(backend, log);
    const maintenance = startMaintenance({ backend, session, settings, log, nowMs });
    try {
      const later = () => {
        aheadMs += 5_000;
        return compressed();
      };
      await expect.poll(later, { timeout: 20_000 }).toBe(before + 1);
      await expect
        .poll(() => selectLogBytes(backend), { timeout: 20_000 })
        .toBeLessThan(IDLE_CHECKPOINT_BYTES_MAX);
    } finally {
      maintenance.stop();
    }
  });
});
