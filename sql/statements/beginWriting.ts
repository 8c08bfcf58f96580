import { FEED_WRITER_LOCK_CLASS, LATE_HORIZON_LOCK } from '../locks.ts';
import type { Client } from '../transaction.ts';

// All in one round trip. Each statement has a snapshot of its own, so the horizon is read as it is once the lock is held,
// and cannot move before this transaction ends.
//
// Whoever holds one of our keys may be dead, and then the server ends him within half a minute. Waiting for him ends
// before, here and not by the client's going away, which a backend that waits would not notice.
//
// Rows that go into a compressed chunk may decompress others; without a limit of 0 that fails with 53400 at 100,000.
const BEGIN = `
begin isolation level read committed;
set local lock_timeout = '20s';
set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0;`;

// Whoever took the process for dead may have removed its row, and has appended a gap before. What is committed from here on
// is not behind that gap: so the row is there again with it. Mostly it is there still, and nothing is written.
const beAccountable = (feedWriter: number) => `
select pg_advisory_xact_lock_shared(${FEED_WRITER_LOCK_CLASS}, ${feedWriter});
insert into tailrace.feed_writer (id) values (${feedWriter}) on conflict do nothing;`;

const LOOK_AT_HORIZON = `
select pg_advisory_xact_lock_shared(${LATE_HORIZON_LOCK.join(', ')});
select date_part('epoch', late_before) as late_before_s from tailrace.late_horizon`;

interface HorizonRow {
  readonly late_before_s: number;
}

/**
 * Opens a writer's transaction, of a process with this number among those that append to the feed. Gives the late horizon
 * in µs since 1970: readings before it are late.
 */
export async function beginWriting(client: Client, feedWriter?: number): Promise<number> {
  const account = feedWriter === undefined ? '' : beAccountable(feedWriter);
  const results: unknown = await client.query(BEGIN + account + LOOK_AT_HORIZON);
  if (!Array.isArray(results)) throw new Error('beginWriting: expected one result per statement');
  const row: HorizonRow | undefined = results.at(-1)?.rows[0];
  if (row === undefined) throw new Error('tailrace.late_horizon has no row');
  return Math.round(row.late_before_s * 1e6);
}
