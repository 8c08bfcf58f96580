import type { Client } from '../transaction.ts';

const MARK_REFRESHED = `
update tailrace.dirty_range set refreshed = $2 where id = any ($1::int8[]) and refreshed < $2`;

/** Says that rollups up to `ordinal` have been refreshed in these dirty ranges. */
export async function markRefreshed(
  client: Client,
  ids: readonly string[],
  ordinal: number,
): Promise<void> {
  await client.query(MARK_REFRESHED, [`{${ids.join(',')}}`, ordinal]);
}
