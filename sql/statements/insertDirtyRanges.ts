import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

// The caller holds the late horizon's lock (shared), so a row that is unclaimed now stays so until it commits.
const INSERT_DIRTY_RANGES = `
with late as (
  select series_id, timestamptz 'epoch' + start_us * interval '1 microsecond' as start_time,
    timestamptz 'epoch' + end_us * interval '1 microsecond' as end_time
  from unnest($1::int4[], $2::int8[], $3::int8[]) as w (series_id, start_us, end_us)
)
insert into tailrace.dirty_range (series_id, start_time, end_time)
select series_id, start_time, end_time from late
where not exists (
  select from tailrace.dirty_range d
  where d.series_id = late.series_id and d.start_time <= late.start_time and d.end_time >= late.end_time
    and not d.claimed
)`;

/** Half-open ranges of series, column by column; µs since 1970 UTC. */
export interface DirtyRanges {
  readonly seriesIds: readonly number[];
  readonly startsUs: readonly number[];
  readonly endsUs: readonly number[];
}

/** Marks ranges whose rollups are stale, except where an unclaimed mark covers them already. */
export async function insertDirtyRanges(client: Client, ranges: DirtyRanges): Promise<void> {
  await client.query(INSERT_DIRTY_RANGES, [
    numberArray(ranges.seriesIds),
    numberArray(ranges.startsUs),
    numberArray(ranges.endsUs),
  ]);
}
