import { LATE_HORIZON_LOCK } from '../locks.ts';
import type { Client } from '../transaction.ts';

// New writers queue behind this lock, so a writer that hangs must not be waited for.
const BEGIN_CLAIMING = `
begin isolation level read committed;
set local lock_timeout = '2s';
select pg_advisory_xact_lock(${LATE_HORIZON_LOCK.join(', ')})`;

/** Opens the refresher's short transaction, with no writer between its lateness check and its commit. */
export async function beginClaiming(client: Client): Promise<void> {
  await client.query(BEGIN_CLAIMING);
}
