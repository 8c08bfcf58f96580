import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';
import type { MaintainedRollup } from './selectMaintainedRollups.ts';

/** Where rows are made from. */
interface Scan {
  readonly source: string;
  readonly isReadings: boolean;
  /** The series and times of the slice, as a condition. */
  readonly where: string;
  /** Start of the bucket that a row goes into, as an expression. */
  readonly bucket: string;
}

interface Definition {
  readonly columns: string;
  /** Rows of series_id, bucket and the columns. */
  readonly select: (scan: Scan) => string;
}

// A test holds these two against the definitions that TimescaleDB has of the continuous aggregates, in migration 0002.
const M4_OF_READINGS = `
  first(value, time), min(time), last(value, time), max(time),
  min(value), first(time, value), max(value), last(time, value),
  tailrace.stats(case when abs(value) <= 1e140 then value else 'NaN' end)`;

const M4_OF_ROLLUP = `
  first(first, t_first), min(t_first), last(last, t_last), max(t_last),
  min(min), first(t_min, min), max(max), last(t_max, max),
  tailrace.stats_merge(stats)`;

const selectM4 = ({ source, isReadings, where, bucket }: Scan) => `
select series_id, ${bucket}, ${isReadings ? M4_OF_READINGS : M4_OF_ROLLUP}
from ${source} where ${where}
group by series_id, ${bucket}`;

// The gap to the point before counts where that is in the same bucket. The window goes by series and time, as the index
// does: one that went by bucket, too, would have to sort. `offset 0` has the gap worked out once, not for every sum.
// Half of the smallest float is an error in PostgreSQL, not 0, and would stop every refresh: what is so small counts as 0.
const summable = (value: string) =>
  `case when abs(${value}) <= 1e-300 then 0 when abs(${value}) <= 1e140 then ${value} else 'NaN' end`;

const pathOfReadings = ({ source, where, bucket }: Scan) => `
select series_id, start, min(time), max(value) filter (where seconds is null), max(time), last(value, time),
  coalesce(sum(seconds * (x + y)) / 2, 0), coalesce(sum(seconds * x), 0),
  coalesce(sum(case when seconds is null then 0 when y >= x then y - x else y + 0 * x end), 0)
from (
  select series_id, start, time, value, ${summable('before')} as x, ${summable('value')} as y,
    case when t_before >= start then date_part('epoch', time - t_before) end as seconds
  from (
    select series_id, ${bucket} as start, time, value, lag(time) over w as t_before, lag(value) over w as before
    from ${source} where ${where}
    window w as (partition by series_id order by time)
  ) points
  offset 0
) joined
group by series_id, start`;

// Runs of points alike, which have areas of their own.
const pathOfRollup = ({ source, where, bucket }: Scan) => `
select series_id, start, min(t_first), max(first) filter (where seconds is null), max(t_last), last(last, t_last),
  sum(case when seconds is null then area else area + seconds * (x + y) / 2 end),
  sum(case when seconds is null then step_area else step_area + seconds * x end),
  sum(case when seconds is null then increase when y >= x then increase + (y - x) else increase + y + 0 * x end)
from (
  select *, ${summable('before')} as x, ${summable('first')} as y,
    case when t_before >= start then date_part('epoch', t_first - t_before) end as seconds
  from (
    select *, ${bucket} as start, lag(t_last) over w as t_before, lag(last) over w as before
    from ${source} where ${where}
    window w as (partition by series_id order by bucket)
  ) runs
  offset 0
) joined
group by series_id, start`;

const selectPath = (scan: Scan) => (scan.isReadings ? pathOfReadings(scan) : pathOfRollup(scan));

const COUNTS_OF_READINGS = 'tailrace.sketch_bucket(value) as value_bucket, count(*) as count';
const COUNTS_OF_ROLLUP = 'value_bucket, sum(count) as count';

const selectSketch = ({ source, isReadings, where, bucket }: Scan) => `
select series_id, start, array_agg(value_bucket order by value_bucket),
  array_agg(least(count, 2147483647)::int4 order by value_bucket)
from (
  select series_id, ${bucket} as start, ${isReadings ? COUNTS_OF_READINGS : COUNTS_OF_ROLLUP}
  from ${source}${isReadings ? '' : ', unnest(value_buckets, counts) as c (value_bucket, count)'} where ${where}
  group by series_id, start, value_bucket
) counted
group by series_id, start`;

const DEFINITIONS: Record<MaintainedRollup['family'], Definition> = {
  m4: { columns: 'first, t_first, last, t_last, min, t_min, max, t_max, stats', select: selectM4 },
  path: {
    columns: 't_first, first, t_last, last, area, step_area, increase',
    select: selectPath,
  },
  sketch: { columns: 'value_buckets, counts', select: selectSketch },
};

/** Some series in a half-open stretch of time, µs since 1970 UTC. */
export interface RollupSlice {
  readonly seriesIds: readonly number[];
  readonly startUs: number;
  readonly endUs: number;
}

const timestamp = (timeUs: number) =>
  `timestamptz 'epoch' + int8 '${timeUs}' * interval '1 microsecond'`;

// One round trip. In the order of (series, time) readings come from their index grouped as they are wanted: no sort, no
// hash table, and a few series cost what their own readings do. Chunks that nobody has analysed yet make the planner
// think otherwise (seen: 4 million rows sorted on disk, 2 µs a row instead of 0.7), so it is told. Compilation never
// pays for slices of 100 ms. A bucket in a compressed chunk is replaced whatever the number of rows beside it.
const SETTINGS = `
set local enable_seqscan = off;
set local enable_bitmapscan = off;
set local jit = off;
set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0;`;

function mergeText(rollup: MaintainedRollup, slice: RollupSlice): string {
  const { family, materialisation, source, bucketUs } = rollup;
  const { columns, select } = DEFINITIONS[family];
  const time = source === undefined ? 'time' : 'bucket';
  const ids = `any ('${numberArray(slice.seriesIds)}'::int4[])`;
  const within = (column: string) => `series_id = ${ids}
  and ${column} >= ${timestamp(slice.startUs)} and ${column} < ${timestamp(slice.endUs)}`;
  const scan = {
    source: `tailrace.${source ?? 'reading'}`,
    isReadings: source === undefined,
    where: within(time),
    bucket: `time_bucket(interval '${bucketUs / 1000} milliseconds', ${time})`,
  };
  return `
begin isolation level read committed;${SETTINGS}
delete from ${materialisation} where ${within('bucket')};
insert into ${materialisation} (series_id, bucket, ${columns})${select(scan)};
commit`;
}

/**
 * Makes the rollup's rows of some series in whole buckets anew from what its source holds, in a transaction of its own.
 * Gives how many rows there are.
 */
export async function mergeRollup(
  client: Client,
  rollup: MaintainedRollup,
  slice: RollupSlice,
): Promise<number> {
  const results: unknown = await client.query(mergeText(rollup, slice));
  if (!Array.isArray(results)) throw new Error('mergeRollup: expected one result per statement');
  const inserted: { readonly rowCount: number | null } | undefined = results.at(-2);
  return inserted?.rowCount ?? 0;
}
