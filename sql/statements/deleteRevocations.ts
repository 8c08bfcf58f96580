import type { Client } from '../transaction.ts';

const DELETE_REVOCATIONS = `
delete from tailrace.revocation where expires_at <= timestamptz 'epoch' + $1::float8 * interval '1 millisecond'`;

/** Forgets those that expired by then, ms since 1970 UTC. */
export async function deleteRevocations(client: Client, untilMs: number): Promise<void> {
  await client.query(DELETE_REVOCATIONS, [untilMs]);
}
