import { idList, type Reading } from '../snapshot.ts';

// LATERAL … LIMIT 1 looks into the newest chunk first: 0.1 ms a live series embedded with 365 chunks (1 ms for one
// that has been silent all year), where DISTINCT ON reads everything.
const selectLatest = (table: string, ids: string) => `
select s.id as series_id, date_part('epoch', s.first_time) as first_s,
  date_part('epoch', r.time) as time_s, r.value, r.quality
from tailrace.series s
cross join lateral (
  select time, value, quality from ${table} where series_id = s.id order by time desc limit 1
) r
where s.id in (${ids})`;

interface Row {
  readonly series_id: number;
  readonly first_s: number | null;
  readonly time_s: number;
  readonly value: number | string;
  readonly quality: number;
}

export interface LatestReadingRow {
  readonly seriesId: number;
  /** µs since 1970 UTC, as are all times. */
  readonly firstUs: number;
  readonly timeUs: number;
  readonly value: number | string;
  readonly quality: number;
}

/** The newest point of each of these series, which are all of one kind; one without points is left out. */
export async function selectLatestReadings(
  sql: Reading,
  kind: 'number' | 'state',
  seriesIds: readonly number[],
): Promise<LatestReadingRow[]> {
  const table = kind === 'number' ? 'tailrace.reading' : 'tailrace.state_reading';
  const rows = await sql.unsafe<Row[]>(selectLatest(table, idList(seriesIds)));
  return rows.map((row) => ({
    seriesId: row.series_id,
    firstUs: Math.round((row.first_s ?? row.time_s) * 1e6),
    timeUs: Math.round(row.time_s * 1e6),
    value: row.value,
    quality: row.quality,
  }));
}
