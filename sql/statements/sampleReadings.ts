import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// Each stretch has constants of its own: chunks are left out by constants alone.
const sampleOne = (
  table: string,
  ids: string,
  index: number,
  start: string,
  end: string,
  limit: number,
) => `
select ${index} as stretch, p.points::float8 as points, date_part('epoch', p.last) as last_s
from unnest(array[${ids}]::int4[]) as s (id)
cross join lateral (
  select count(*) as points, max(time) as last from (
    select time from tailrace.${table}
    where series_id = s.id and time >= ${start} and time < ${end}
    order by time limit ${limit}
  ) first_points
) p
where p.points > 0`;

interface Row {
  readonly stretch: number;
  readonly points: number;
  readonly last_s: number;
}

/** Of one series in one stretch; what has no points is left out. */
export interface ReadingSample {
  /** Index of its stretch. */
  readonly stretch: number;
  /** All that there are, or `limit` where there are more. */
  readonly points: number;
  /** Time of the last of these. */
  readonly lastUs: number;
}

/** Counts the first points, `limit` at most, of each series in each of some half-open stretches. */
export async function sampleReadings(
  sql: Reading,
  table: 'reading' | 'state_reading',
  seriesIds: readonly number[],
  stretches: readonly { readonly startUs: number; readonly endUs: number }[],
  limit: number,
): Promise<ReadingSample[]> {
  const ids = idList(seriesIds);
  const text = stretches
    .map(({ startUs, endUs }, index) =>
      sampleOne(table, ids, index, timestampLiteral(startUs), timestampLiteral(endUs), limit),
    )
    .join('\nunion all');
  const rows = await sql.unsafe<Row[]>(text);
  return rows.map(({ stretch, points, last_s: lastS }) => ({
    ...{ stretch, points },
    lastUs: Math.round(lastS * 1e6),
  }));
}
