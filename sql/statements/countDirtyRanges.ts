import type { Client } from '../transaction.ts';

const COUNT_DIRTY_RANGES = `
select count(*)::int4 as count from (select from tailrace.dirty_range limit $1) counted`;

/** How many dirty ranges there are, counted no further than `max`. */
export async function countDirtyRanges(client: Client, max: number): Promise<number> {
  const { rows } = await client.query<{ count: number }>(COUNT_DIRTY_RANGES, [max]);
  return rows[0]?.count ?? 0;
}
