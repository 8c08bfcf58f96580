import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// As in selectLatestReadings: LATERAL … LIMIT 1 looks into one chunk where the point lies at the end of the domain.
const endsOf = (table: string, ids: string, within: string) => `
select s.id as series_id, date_part('epoch', f.time) as first_s,
  date_part('epoch', l.time) as last_s, l.value, l.quality
from unnest(array[${ids}]::int4[]) as s (id)
cross join lateral (
  select time from ${table} where series_id = s.id${within} order by time limit 1
) f
cross join lateral (
  select time, value, quality from ${table} where series_id = s.id${within} order by time desc limit 1
) l`;

interface Row {
  readonly series_id: number;
  readonly first_s: number;
  readonly last_s: number;
  readonly value: number | string;
  readonly quality: number;
}

export interface EndsRow {
  readonly seriesId: number;
  /** µs since 1970 UTC, as are all times. */
  readonly firstUs: number;
  readonly lastUs: number;
  /** Of the last point. */
  readonly value: number | string;
  readonly quality: number;
}

/** The first and the last point in [startUs, endUs) of each of these series, which are all of one kind. */
export async function selectEnds(
  sql: Reading,
  kind: 'number' | 'state',
  seriesIds: readonly number[],
  { startUs, endUs }: { readonly startUs: number; readonly endUs: number },
): Promise<EndsRow[]> {
  const table = kind === 'number' ? 'tailrace.reading' : 'tailrace.state_reading';
  // A domain may be open at either end.
  const from = Number.isFinite(startUs) ? ` and time >= ${timestampLiteral(startUs)}` : '';
  const until = Number.isFinite(endUs) ? ` and time < ${timestampLiteral(endUs)}` : '';
  const rows = await sql.unsafe<Row[]>(endsOf(table, idList(seriesIds), from + until));
  return rows.map((row) => ({
    seriesId: row.series_id,
    firstUs: Math.round(row.first_s * 1e6),
    lastUs: Math.round(row.last_s * 1e6),
    value: row.value,
    quality: row.quality,
  }));
}
