import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// As in selectLatestReadings: LATERAL … LIMIT 1 looks into one chunk where the series has not been silent.
const select = (ids: string, within: string) => `
select s.id as series_id, r.value
from unnest(array[${ids}]::int4[]) as s (id)
cross join lateral (
  select value from tailrace.state_reading
  where series_id = s.id and ${within}
  order by time desc limit 1
) r`;

interface Row {
  readonly series_id: number;
  readonly value: string;
}

/** By series id the last state before `timeUs` and not before `earliestUs`, which may be -Infinity; none where none is. */
export async function selectStatesBefore(
  sql: Reading,
  seriesIds: readonly number[],
  timeUs: number,
  earliestUs: number,
): Promise<Map<number, string>> {
  const from = Number.isFinite(earliestUs) ? ` and time >= ${timestampLiteral(earliestUs)}` : '';
  const within = `time < ${timestampLiteral(timeUs)}${from}`;
  const rows = await sql.unsafe<Row[]>(select(idList(seriesIds), within));
  return new Map(rows.map(({ series_id, value }) => [series_id, value]));
}
