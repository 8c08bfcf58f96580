// For tests: batches row by row, and the question whether rollups say what the readings say.
import type { Database } from '../sql/connection.ts';
import type { Writable } from '../sql/transaction.ts';
import type { ReadingBatch } from './readings.ts';

export interface RowOfBatch {
  readonly id: number;
  /** µs since 1970 UTC. */
  readonly t: number;
  readonly v: number | string;
  readonly q?: number;
  readonly dup?: boolean;
}

/** The batch that holds `rows` in their order, each from a message of its own. */
export function batchOf(rows: readonly RowOfBatch[]): ReadingBatch {
  const hasStates = rows.some(({ v }) => typeof v === 'string');
  return {
    rows: rows.length,
    seriesIds: Int32Array.from(rows, ({ id }) => id),
    timesUs: Float64Array.from(rows, ({ t }) => t),
    values: Float64Array.from(rows, ({ v }) => (typeof v === 'number' ? v : 0)),
    states: hasStates ? rows.map(({ v }) => (typeof v === 'string' ? v : undefined)) : [],
    qualities: Int16Array.from(rows, ({ q }) => q ?? 0),
    dups: Uint8Array.from(rows, ({ dup }) => (dup === true ? 1 : 0)),
    messages: Int32Array.from(rows, (_, row) => row),
  };
}

/** Makes number series with the ids 1 to `count` in a database that has none: rollups are made of series that exist. */
export async function createTestSeries(database: Writable, count: number): Promise<void> {
  await database.writer.query(
    `insert into tailrace.series (tenant, asset, channel, value_kind)
     select 'acme', 'rig-1', 'channel-' || i, 'number' from generate_series(1, $1) i`,
    [count],
  );
}

// In one statement, so as of one moment: every bucket that a reader may take from a rollup against the readings, to the
// bit but for sums.
const faultsOf = (name: string, bucket: string) => `
with state as (
  select ordinal, materialised_before as before from tailrace.rollup where name = '${name}'
), raw as (
  select series_id, time_bucket('${bucket}', time) as bucket, first(value, time) as first, min(time) as t_first,
    last(value, time) as last, max(time) as t_last, min(value) as min, max(value) as max, count(*) as count,
    sum(value) as sum, sum(abs(value)) as size
  from tailrace.reading group by 1, 2
), pair as (
  select coalesce(raw.series_id, r.series_id) as id, coalesce(raw.bucket, r.bucket) as start, raw.count,
    raw.series_id is not null and r.series_id is not null
      and (r.first, r.t_first, r.last, r.t_last, r.min, r.max, r.stats[1])
        = (raw.first, raw.t_first, raw.last, raw.t_last, raw.min, raw.max, raw.count)
      and abs(r.stats[2] - raw.sum) <= 1e-12 * raw.size as same
  from raw full join tailrace.${name} r on r.series_id = raw.series_id and r.bucket = raw.bucket
)
select '${name}' as rollup, id, start::text from pair, state
where not same and start + interval '${bucket}' <= before
  and not exists (select from tailrace.dirty_range d where d.series_id = pair.id and d.refreshed < state.ordinal
    and d.start_time < start + interval '${bucket}' and d.end_time > start)`;

const FAULTS = [
  ['rollup_1m', '1 minute'],
  ['rollup_5m', '5 minutes'],
  ['rollup_15m', '15 minutes'],
  ['rollup_1h', '1 hour'],
  ['rollup_6h', '6 hours'],
  ['rollup_1d', '1 day'],
]
  .map(([name = '', bucket = '']) => `(${faultsOf(name, bucket)})`)
  .join(' union all ');

/** Buckets that a reader would take from a rollup and that are not what the readings say, all as of one moment. */
export async function selectFaults(database: Pick<Database, 'reader'>): Promise<unknown[]> {
  return [...(await database.reader.unsafe(FAULTS))];
}
