import type { Client } from '../transaction.ts';

// A mark that begins before the cut keeps what lies before it.
const SETTLE_DIRTY_RANGES = `
with cut as (
  select timestamptz 'epoch' + $2::int8 * interval '1 microsecond' as time
), gone as (
  delete from tailrace.dirty_range using cut where id = any ($1::int8[]) and start_time >= cut.time
)
update tailrace.dirty_range set end_time = cut.time
from cut where id = any ($1::int8[]) and start_time < cut.time and end_time > cut.time`;

/** Takes marks back from `fromUs` (µs since 1970) on: every maintained rollup has been refreshed there. */
export async function settleDirtyRanges(
  client: Client,
  ids: readonly string[],
  fromUs: number,
): Promise<void> {
  await client.query(SETTLE_DIRTY_RANGES, [`{${ids.join(',')}}`, fromUs]);
}
