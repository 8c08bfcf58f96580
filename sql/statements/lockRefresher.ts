import { REFRESHER_LOCK } from '../locks.ts';
import type { Client } from '../transaction.ts';

const TRY_LOCK = `
select pg_try_advisory_lock(${REFRESHER_LOCK.join(', ')}) as locked`;

const UNLOCK = `
select pg_advisory_unlock(${REFRESHER_LOCK.join(', ')})`;

/**
 * Makes this connection the refresher unless another one is. Says whether it is; a connection that ends lets go. On
 * the embedded engine, which serves one process, it always is.
 */
export async function lockRefresher(client: Client): Promise<boolean> {
  return (await client.query<{ locked: boolean }>(TRY_LOCK)).rows[0]?.locked === true;
}

export async function unlockRefresher(client: Client): Promise<void> {
  await client.query(UNLOCK);
}
