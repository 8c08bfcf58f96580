import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';
import type { MaintainedRollup } from './selectMaintainedRollups.ts';

// What the continuous aggregates of migration 0002 are defined as, in two forms a family: from readings, and from the
// next finer rollup. A test holds each against TimescaleDB's own refresh.
const M4_COLUMNS = 'first, t_first, last, t_last, min, t_min, max, t_max, stats';

const M4_OF_READINGS = `
  first(value, time), min(time), last(value, time), max(time),
  min(value), first(time, value), max(value), last(time, value),
  tailrace.stats(case when abs(value) <= 1e140 then value else 'NaN' end)`;

const M4_OF_ROLLUP = `
  first(first, t_first), min(t_first), last(last, t_last), max(t_last),
  min(min), first(t_min, min), max(max), last(t_max, max),
  tailrace.stats_merge(stats)`;

interface Definition {
  readonly columns: string;
  readonly ofReadings: string;
  readonly ofRollup: string;
  /** What rows are grouped by beside series and bucket. */
  readonly by?: { readonly ofReadings: string; readonly ofRollup: string };
}

const DEFINITIONS: Record<MaintainedRollup['family'], Definition> = {
  m4: { columns: M4_COLUMNS, ofReadings: M4_OF_READINGS, ofRollup: M4_OF_ROLLUP },
  path: {
    columns: 'path',
    ofReadings: 'tailrace.path(time, value order by time)',
    ofRollup: 'tailrace.path_merge(path order by bucket)',
  },
  sketch: {
    columns: 'value_bucket, count',
    ofReadings: 'tailrace.sketch_bucket(value), count(*)',
    ofRollup: 'value_bucket, sum(count)::int8',
    by: { ofReadings: ', tailrace.sketch_bucket(value)', ofRollup: ', value_bucket' },
  },
};

/** What each rollup is made from, where that is not the readings. */
const SOURCES: ReadonlyMap<string, string> = new Map([
  ['rollup_15m', 'rollup_1m'],
  ['rollup_1h', 'rollup_15m'],
  ['rollup_1d', 'rollup_1h'],
  ['path_15m', 'path_1m'],
  ['path_1h', 'path_15m'],
  ['path_1d', 'path_1h'],
  ['sketch_1h', 'sketch_15m'],
  ['sketch_1d', 'sketch_1h'],
]);

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
  const { family, materialisation, name, bucketUs } = rollup;
  const source = SOURCES.get(name);
  const definition = DEFINITIONS[family];
  const form = source === undefined ? 'ofReadings' : 'ofRollup';
  const time = source === undefined ? 'time' : 'bucket';
  const ids = `any ('${numberArray(slice.seriesIds)}'::int4[])`;
  const [start, end] = [timestamp(slice.startUs), timestamp(slice.endUs)];
  const bucket = `time_bucket(interval '${bucketUs / 1000} milliseconds', ${time})`;
  return `
begin isolation level read committed;${SETTINGS}
delete from ${materialisation} where series_id = ${ids} and bucket >= ${start} and bucket < ${end};
insert into ${materialisation} (series_id, bucket, ${definition.columns})
select series_id, ${bucket}, ${definition[form]}
from tailrace.${source ?? 'reading'}
where series_id = ${ids} and ${time} >= ${start} and ${time} < ${end}
group by series_id, ${bucket}${definition.by?.[form] ?? ''};
commit`;
}

/**
 * Makes the rollup's rows of some series in whole buckets anew from what the next finer level holds, in a transaction
 * of its own. Gives how many rows there are.
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
