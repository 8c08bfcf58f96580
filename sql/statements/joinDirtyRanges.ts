import type { Client } from '../transaction.ts';

const JOIN_DIRTY_RANGES = `
with followed as (
  select id, series_id, start_time, end_time, max(end_time) over (
    partition by series_id order by start_time, id rows between unbounded preceding and 1 preceding) as end_before
  from tailrace.dirty_range
), numbered as (
  select id, series_id, start_time, end_time,
    count(*) filter (where end_before is null or start_time > end_before + $1::int8 * interval '1 microsecond')
      over (partition by series_id order by start_time, id) as run
  from followed
), joined as (
  select min(id) as id, min(start_time) as start_time, max(end_time) as end_time, array_agg(id) as ids
  from numbered group by series_id, run having count(*) > 1
), gone as (
  delete from tailrace.dirty_range d using (select id, unnest(ids) as member from joined) m
  where d.id = m.member and m.member <> m.id
)
update tailrace.dirty_range d
set start_time = joined.start_time, end_time = joined.end_time, refreshed = 0, claimed = false
from joined where d.id = joined.id`;

/**
 * Makes one mark of all marks of a series with at most `gapUs` between them. No writer or refresher may be at work on
 * them: what was claimed is unclaimed then.
 */
export async function joinDirtyRanges(client: Client, gapUs: number): Promise<void> {
  await client.query(JOIN_DIRTY_RANGES, [gapUs]);
}
