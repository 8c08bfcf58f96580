import { int4Array, timestampArray } from '../binary-arrays.ts';
import { unpackFloat8, unpackInt2, unpackInt4 } from '../packed.ts';
import { timestampLiteral } from '../snapshot.ts';
import type { Client } from '../transaction.ts';

// One look into the unique index for each key. `offset 0` keeps the planner from turning that into a join, for which it
// guesses how many rows lie between the bounds; a wrong guess took 15 s for 50,000 keys that take 0.1 s like this (0.4 s
// in compressed chunks). The bounds are constants, so that one chunk is opened and no others.
const selectStored = (table: string, startUs: number, endUs: number, columns: string) => `
select ${columns}
from unnest($1::int4[], $2::timestamptz[]) with ordinality as k (series_id, time, key)
cross join lateral (
  select value, quality from ${table}
  where series_id = k.series_id and time = k.time
    and time between ${timestampLiteral(startUs)} and ${timestampLiteral(endUs)}
  offset 0
) r`;

const PACKED = `
  string_agg(int4send(k.key::int4 - 1), null) as keys,
  string_agg(float8send(r.value), null) as values,
  string_agg(int2send(r.quality), null) as qualities`;
const ROW_BY_ROW = 'k.key::int4 - 1 as key, r.value, r.quality';

// Without these, each look costs five times as much: a ChunkAppend is set up anew for each, and the estimate for all of
// them together brings in the JIT compiler.
const PREPARE_LOOKING = `
set local jit = off;
set local timescaledb.enable_chunk_append = off`;

/** Keys of readings: those of the columns that `rows` names. */
export interface KeysToFind {
  readonly seriesIds: Int32Array;
  /** µs since 1970 UTC. */
  readonly timesUs: Float64Array;
  readonly rows: Int32Array;
}

/** What was found, column by column, in no order. */
export interface StoredRows {
  /** Places among the keys asked for, from 0. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number | string>;
  readonly qualities: ArrayLike<number>;
}

/** Prepares the transaction for the two below. */
export async function prepareLooking(client: Client): Promise<void> {
  await client.query(PREPARE_LOOKING);
}

/** What tailrace.reading holds under keys that should all be of one chunk, and are at least one. */
export async function selectStoredReadings(client: Client, keys: KeysToFind): Promise<StoredRows> {
  const statement = selectStored('tailrace.reading', ...bounds(keys), PACKED);
  const { rows } = await client.query<Record<'keys' | 'values' | 'qualities', Buffer | null>>(
    statement,
    parameters(keys),
  );
  const { keys: found = null, values = null, qualities = null } = rows[0] ?? {};
  return {
    keys: unpackInt4(found),
    values: unpackFloat8(values),
    qualities: unpackInt2(qualities),
  };
}

/** What tailrace.state_reading holds, alike. */
export async function selectStoredStates(client: Client, keys: KeysToFind): Promise<StoredRows> {
  const statement = selectStored('tailrace.state_reading', ...bounds(keys), ROW_BY_ROW);
  const { rows } = await client.query<{ key: number; value: string; quality: number }>(
    statement,
    parameters(keys),
  );
  return {
    keys: rows.map(({ key }) => key),
    values: rows.map(({ value }) => value),
    qualities: rows.map(({ quality }) => quality),
  };
}

function parameters({ seriesIds, timesUs, rows }: KeysToFind): [Buffer, Buffer] {
  return [int4Array(seriesIds, rows), timestampArray(timesUs, rows)];
}

function bounds({ timesUs, rows }: KeysToFind): [number, number] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    const timeUs = timesUs[row]!;
    if (timeUs < min) min = timeUs;
    if (timeUs > max) max = timeUs;
  }
  return [min, max];
}
