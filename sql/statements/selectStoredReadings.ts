import { keyArrays, type ReadingKeys } from '../arrays.ts';
import type { Client } from '../transaction.ts';

// The bounds are there for the planner: with them it opens the chunks of these keys and no others.
const selectStored = (table: string) => `
select k.key::int4 - 1 as key, r.value, r.quality
from unnest($1::int4[], $2::int8[]) with ordinality as k (series_id, time_us, key)
join ${table} r on r.series_id = k.series_id
  and r.time = timestamptz 'epoch' + k.time_us * interval '1 microsecond'
where r.time >= timestamptz 'epoch' + $3::int8 * interval '1 microsecond'
  and r.time <= timestamptz 'epoch' + $4::int8 * interval '1 microsecond'`;

const SELECT_STORED_READINGS = selectStored('tailrace.reading');
const SELECT_STORED_STATES = selectStored('tailrace.state_reading');

export interface StoredRow<V extends number | string = number | string> {
  /** Place among the keys asked for, from 0. */
  readonly key: number;
  readonly value: V;
  readonly quality: number;
}

/** What tailrace.reading holds under `keys`, in no order. */
export async function selectStoredReadings(
  client: Client,
  keys: ReadingKeys,
): Promise<StoredRow<number>[]> {
  const { rows } = await client.query<StoredRow<number>>(SELECT_STORED_READINGS, bounded(keys));
  return rows;
}

/** What tailrace.state_reading holds under `keys`, in no order. */
export async function selectStoredStates(
  client: Client,
  keys: ReadingKeys,
): Promise<StoredRow<string>[]> {
  const { rows } = await client.query<StoredRow<string>>(SELECT_STORED_STATES, bounded(keys));
  return rows;
}

function bounded(keys: ReadingKeys): [string, string, number, number] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const timeUs of keys.timesUs) {
    if (timeUs < min) min = timeUs;
    if (timeUs > max) max = timeUs;
  }
  return [...keyArrays(keys), min, max];
}
