import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// As in selectLatestReadings: LATERAL … LIMIT 1 looks into one chunk where the series is not silent.
const select = (ids: string, within: string) => `
select s.id as series_id, date_part('epoch', r.time) as time_s, r.value
from unnest(array[${ids}]::int4[]) as s (id)
cross join lateral (
  select time, value from tailrace.reading where series_id = s.id and ${within} order by time desc limit 1
) r`;

interface Row {
  readonly series_id: number;
  readonly time_s: number;
  readonly value: number;
}

/** A point of one series; µs since 1970 UTC. */
export interface ReadingBefore {
  readonly seriesId: number;
  readonly timeUs: number;
  readonly value: number;
}

/**
 * The last point before `beforeUs`, and not before `earliestUs` (which may be -Infinity), of each of these number series;
 * one without is left out.
 */
export async function selectReadingsBefore(
  sql: Reading,
  seriesIds: readonly number[],
  beforeUs: number,
  earliestUs: number,
): Promise<ReadingBefore[]> {
  const from = Number.isFinite(earliestUs) ? ` and time >= ${timestampLiteral(earliestUs)}` : '';
  const within = `time < ${timestampLiteral(beforeUs)}${from}`;
  const rows = await sql.unsafe<Row[]>(select(idList(seriesIds), within));
  return rows.map((row) => ({
    seriesId: row.series_id,
    timeUs: Math.round(row.time_s * 1e6),
    value: row.value,
  }));
}
