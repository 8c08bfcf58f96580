import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

// The caller holds the late horizon's lock (shared), so a mark that is unclaimed now stays so until it commits. A mark
// nearby is widened instead of adding one: a day that a thousand series send after an outage would be 1.4 million. How
// near is the caller's to say, and the refresher's where there are too many marks already.
const MARK_DIRTY = `
with near as (
  select greatest($4::int8 * interval '1 microsecond', mark_gap) as gap from tailrace.late_horizon
), late as (
  select series_id, timestamptz 'epoch' + start_us * interval '1 microsecond' as start_time,
    timestamptz 'epoch' + end_us * interval '1 microsecond' as end_time
  from unnest($1::int4[], $2::int8[], $3::int8[]) as w (series_id, start_us, end_us)
), widened as (
  update tailrace.dirty_range d
  set start_time = least(d.start_time, late.start_time), end_time = greatest(d.end_time, late.end_time)
  from late, near
  where d.series_id = late.series_id and not d.claimed
    and d.start_time <= late.end_time + near.gap and d.end_time >= late.start_time - near.gap
    and (d.start_time > late.start_time or d.end_time < late.end_time)
  returning late.series_id, late.start_time
)
insert into tailrace.dirty_range (series_id, start_time, end_time)
select series_id, start_time, end_time from late
where not exists (
  select from tailrace.dirty_range d
  where d.series_id = late.series_id and d.start_time <= late.start_time and d.end_time >= late.end_time
    and not d.claimed
) and not exists (
  select from widened w where w.series_id = late.series_id and w.start_time = late.start_time
)`;

/** Half-open ranges of series, column by column; µs since 1970 UTC. */
export interface DirtyRanges {
  readonly seriesIds: readonly number[];
  readonly startsUs: readonly number[];
  readonly endsUs: readonly number[];
}

/**
 * Marks ranges whose rollups are stale. Marks of a series with at most `gapMaxUs` between them may become one, or with
 * more where there are too many.
 */
export async function insertDirtyRanges(
  client: Client,
  ranges: DirtyRanges,
  gapMaxUs: number,
): Promise<void> {
  await client.query(MARK_DIRTY, [
    numberArray(ranges.seriesIds),
    numberArray(ranges.startsUs),
    numberArray(ranges.endsUs),
    gapMaxUs,
  ]);
}
