import type { Client } from '../transaction.ts';

const DELETE_DIRTY_RANGES = `
delete from tailrace.dirty_range where id = any ($1::int8[])`;

/** Takes back the marks of ranges that every maintained rollup has been refreshed in. */
export async function deleteDirtyRanges(client: Client, ids: readonly string[]): Promise<void> {
  await client.query(DELETE_DIRTY_RANGES, [`{${ids.join(',')}}`]);
}
