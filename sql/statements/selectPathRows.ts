import { unpackFloat8, unpackTimestamps } from '../packed.ts';
import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

const selectRows = (name: string, ids: string, start: string, end: string) => `
select series_id,
  string_agg(timestamptz_send(t_first), null order by bucket) as t_first,
  string_agg(float8send(first), null order by bucket) as first,
  string_agg(timestamptz_send(t_last), null order by bucket) as t_last,
  string_agg(float8send(last), null order by bucket) as last,
  string_agg(float8send(area), null order by bucket) as area,
  string_agg(float8send(step_area), null order by bucket) as step_area,
  string_agg(float8send(increase), null order by bucket) as increase
from tailrace.${name}
where series_id in (${ids}) and bucket >= ${start} and bucket < ${end}
group by series_id`;

interface PackedRow {
  readonly series_id: number;
  readonly t_first: Buffer;
  readonly first: Buffer;
  readonly t_last: Buffer;
  readonly last: Buffer;
  readonly area: Buffer;
  readonly step_area: Buffer;
  readonly increase: Buffer;
}

/** Runs of points of one series in the order of time. Times are µs since 1970 UTC, areas value × µs. */
export interface PathRowsOfSeries {
  readonly seriesId: number;
  readonly tFirst: Float64Array;
  readonly first: Float64Array;
  readonly tLast: Float64Array;
  readonly last: Float64Array;
  readonly area: Float64Array;
  readonly stepArea: Float64Array;
  readonly increase: Float64Array;
}

const US_PER_S = 1e6;

/** Rows of the rollup `name` whose buckets start in [startUs, endUs), for each series that has any. */
export async function selectPathRows(
  sql: Reading,
  name: string,
  seriesIds: readonly number[],
  startUs: number,
  endUs: number,
): Promise<PathRowsOfSeries[]> {
  if (!/^[a-z0-9_]+$/.test(name)) throw new TypeError(`not the name of a rollup: ${name}`);
  const domain = [timestampLiteral(startUs), timestampLiteral(endUs)] as const;
  const rows = await sql.unsafe<PackedRow[]>(selectRows(name, idList(seriesIds), ...domain));
  return rows.map((row) => ({
    seriesId: row.series_id,
    tFirst: unpackTimestamps(row.t_first),
    first: unpackFloat8(row.first),
    tLast: unpackTimestamps(row.t_last),
    last: unpackFloat8(row.last),
    area: unpackFloat8(row.area).map((area) => area * US_PER_S),
    stepArea: unpackFloat8(row.step_area).map((area) => area * US_PER_S),
    increase: unpackFloat8(row.increase),
  }));
}
