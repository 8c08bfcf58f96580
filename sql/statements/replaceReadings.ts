import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

// An upsert and not an update: a row that was deleted meanwhile comes back.
const replaceIn = (table: string, type: string) => `
insert into ${table} (series_id, time, value, quality)
select w.series_id, timestamptz 'epoch' + w.time_us * interval '1 microsecond', w.value, w.quality
from unnest($1::int4[], $2::int8[], $3::${type}[], $4::int2[]) as w (series_id, time_us, value, quality)
on conflict (series_id, time) do update set value = excluded.value, quality = excluded.quality`;

const REPLACE = {
  number: replaceIn('tailrace.reading', 'float8'),
  state: replaceIn('tailrace.state_reading', 'text'),
} as const;

/** A conflict inside a compressed chunk decompresses rows; without this it fails with 53400 at 100,000 of them. */
const LIFT_DECOMPRESSION_LIMIT = `
set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0`;

export interface RowsToStore {
  readonly seriesIds: readonly number[];
  /** µs since 1970 UTC. */
  readonly timesUs: readonly number[];
  readonly values: readonly (number | string)[];
  readonly qualities: readonly number[];
}

/** Lets the transaction change as many compressed rows as it has to. */
export async function liftDecompressionLimit(client: Client): Promise<void> {
  await client.query(LIFT_DECOMPRESSION_LIMIT);
}

/** Overwrites what is stored under the rows' keys, none of which may come twice. */
export async function replaceReadings(
  client: Client,
  kind: 'number' | 'state',
  rows: RowsToStore,
): Promise<void> {
  await client.query(REPLACE[kind], [
    numberArray(rows.seriesIds),
    numberArray(rows.timesUs),
    kind === 'number' ? numberArray(rows.values as readonly number[]) : rows.values,
    numberArray(rows.qualities),
  ]);
}
