import { unpackInt4, unpackTimestamps } from '../packed.ts';
import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// A count of values a row, so that columns can be packed; the bucket's own start stands in each.
const selectRows = (name: string, ids: string, start: string, end: string) => `
select series_id,
  string_agg(timestamptz_send(bucket), null) as times,
  string_agg(int4send(value_bucket), null) as value_buckets,
  string_agg(int4send(count), null) as counts
from tailrace.${name}, unnest(value_buckets, counts) as c (value_bucket, count)
where series_id in (${ids}) and bucket >= ${start} and bucket < ${end}
group by series_id`;

interface PackedRow {
  readonly series_id: number;
  readonly times: Buffer;
  readonly value_buckets: Buffer;
  readonly counts: Buffer;
}

/** Counts of one series in no order: so many values in a bucket of values, in the rollup's bucket that starts at a time. */
export interface SketchRowsOfSeries {
  readonly seriesId: number;
  /** µs since 1970 UTC. */
  readonly timesUs: Float64Array;
  readonly valueBuckets: Int32Array;
  readonly counts: Float64Array;
}

/** Rows of the rollup `name` whose buckets start in [startUs, endUs), for each series that has any. */
export async function selectSketchRows(
  sql: Reading,
  name: string,
  seriesIds: readonly number[],
  startUs: number,
  endUs: number,
): Promise<SketchRowsOfSeries[]> {
  if (!/^[a-z0-9_]+$/.test(name)) throw new TypeError(`not the name of a rollup: ${name}`);
  const domain = [timestampLiteral(startUs), timestampLiteral(endUs)] as const;
  const rows = await sql.unsafe<PackedRow[]>(selectRows(name, idList(seriesIds), ...domain));
  return rows.map((row) => ({
    seriesId: row.series_id,
    timesUs: unpackTimestamps(row.times),
    valueBuckets: unpackInt4(row.value_buckets),
    counts: Float64Array.from(unpackInt4(row.counts)),
  }));
}
