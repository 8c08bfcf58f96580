import { float8Array, int2Array, int4Array, timestampArray } from '../binary-arrays.ts';
import type { CopyColumns } from '../copy-binary.ts';
import type { Client } from '../transaction.ts';

// An upsert and not an update: a row that was deleted meanwhile comes back.
const replaceIn = (table: string, type: string) => `
insert into ${table} (series_id, time, value, quality)
select * from unnest($1::int4[], $2::timestamptz[], $3::${type}[], $4::int2[])
on conflict (series_id, time) do update set value = excluded.value, quality = excluded.quality`;

const REPLACE_READINGS = replaceIn('tailrace.reading', 'float8');
const REPLACE_STATES = replaceIn('tailrace.state_reading', 'text');

/** Overwrites what tailrace.reading holds under the keys of those rows that `rows` names, none of which comes twice. */
export async function replaceReadings(
  client: Client,
  columns: CopyColumns,
  rows: Int32Array,
): Promise<void> {
  const values = float8Array(columns.values, rows);
  await client.query(REPLACE_READINGS, [...keys(columns, rows), values, qualities(columns, rows)]);
}

/** Overwrites in tailrace.state_reading, alike. */
export async function replaceStates(
  client: Client,
  columns: CopyColumns,
  rows: Int32Array,
): Promise<void> {
  const values = Array.from(rows, (row) => columns.states[row] ?? '');
  await client.query(REPLACE_STATES, [...keys(columns, rows), values, qualities(columns, rows)]);
}

function keys({ seriesIds, timesUs }: CopyColumns, rows: Int32Array): [Buffer, Buffer] {
  return [int4Array(seriesIds, rows), timestampArray(timesUs, rows)];
}

function qualities(columns: CopyColumns, rows: Int32Array): Buffer {
  return int2Array(columns.qualities, rows);
}
