import { LATE_HORIZON_LOCK } from '../locks.ts';
import type { Client } from '../transaction.ts';

// All in one round trip. Each has a snapshot of its own, so the horizon is read as it is once the lock is
// held, and cannot move before this transaction ends.
//
// Up to some version, TimescaleDB notes by a trigger on each row what a continuous aggregate has to refresh (2.23 does,
// 2.28 has another way): a fifth of the time of a COPY embedded. Rollups are made by statements of our own, which have
// their own account of what is stale; so the trigger sleeps for this transaction, where the role may let it. There is
// no other trigger on the tables of readings.
//
// Rows that go into a compressed chunk may decompress others; without a limit of 0 that fails with 53400 at 100,000.
const BEGIN_WRITING = `
begin isolation level read committed;
select set_config('session_replication_role', 'replica', true)
where has_parameter_privilege('session_replication_role', 'set');
set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0;
select pg_advisory_xact_lock_shared(${LATE_HORIZON_LOCK.join(', ')});
select date_part('epoch', late_before) as late_before_s,
  current_setting('session_replication_role') = 'replica' as without_triggers
from tailrace.late_horizon`;

interface HorizonRow {
  readonly late_before_s: number;
  readonly without_triggers: boolean;
}

export interface BegunWriting {
  /** µs since 1970: readings before it are late. */
  readonly lateBeforeUs: number;
  /** Whether the role may, and does, write without firing triggers. */
  readonly withoutTriggers: boolean;
}

/** Opens a writer's transaction. */
export async function beginWriting(client: Client): Promise<BegunWriting> {
  const results: unknown = await client.query(BEGIN_WRITING);
  if (!Array.isArray(results)) throw new Error('beginWriting: expected one result per statement');
  const row: HorizonRow | undefined = results.at(-1)?.rows[0];
  if (row === undefined) throw new Error('tailrace.late_horizon has no row');
  return {
    lateBeforeUs: Math.round(row.late_before_s * 1e6),
    withoutTriggers: row.without_triggers,
  };
}
