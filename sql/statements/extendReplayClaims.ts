import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const EXTEND_REPLAY_CLAIMS = `
update tailrace.dead_letter set claimed_until = now() + $3::float8 * interval '1 millisecond'
where id = any ($2::int8[]) and claimed_by = $1::text and replayed_at is null`;

/** Says that whoever claimed letters is still at work on them; a lease of 0 gives them back. */
export async function extendReplayClaims(
  client: Client,
  by: string,
  ids: readonly number[],
  leaseMs: number,
): Promise<void> {
  await client.query(EXTEND_REPLAY_CLAIMS, [by, numberArray(ids), leaseMs]);
}
