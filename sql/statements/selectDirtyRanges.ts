import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

const selectDirty = (ids: string, start: string, end: string) => `
select refreshed, date_part('epoch', lower(range)) as start_s, date_part('epoch', upper(range)) as end_s
from (
  select refreshed, unnest(range_agg(tstzrange(start_time, end_time))) as range
  from tailrace.dirty_range
  where series_id in (${ids}) and start_time < ${end} and end_time > ${start}
  group by refreshed
) united`;

interface DirtyRow {
  readonly refreshed: number;
  readonly start_s: number;
  readonly end_s: number;
}

export interface DirtyRangeRow {
  readonly startUs: number;
  readonly endUs: number;
  readonly refreshed: number;
}

/** Where in [startUs, endUs) any of these series has stale rollups; overlapping ranges are united. */
export async function selectDirtyRanges(
  sql: Reading,
  seriesIds: readonly number[],
  startUs: number,
  endUs: number,
): Promise<DirtyRangeRow[]> {
  const text = selectDirty(idList(seriesIds), timestampLiteral(startUs), timestampLiteral(endUs));
  const rows = await sql.unsafe<DirtyRow[]>(text);
  return rows.map((row) => ({
    startUs: Math.round(row.start_s * 1e6),
    endUs: Math.round(row.end_s * 1e6),
    refreshed: row.refreshed,
  }));
}
