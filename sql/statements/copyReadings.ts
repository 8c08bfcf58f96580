import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { Client } from '../transaction.ts';

const COPY_READINGS = `
copy tailrace.reading (series_id, time, value, quality) from stdin (format binary)`;

const COPY_STATE_READINGS = `
copy tailrace.state_reading (series_id, time, value, quality) from stdin (format binary)`;

/** Appends rows as `encodeReadings` made them; any key that exists already fails the whole with 23505. */
export function copyReadings(client: Client, rows: Buffer): Promise<void> {
  return copy(client, COPY_READINGS, rows);
}

/** Appends rows as `encodeStateReadings` made them, alike. */
export function copyStateReadings(client: Client, rows: Buffer): Promise<void> {
  return copy(client, COPY_STATE_READINGS, rows);
}

async function copy(client: Client, statement: string, rows: Buffer): Promise<void> {
  await pipeline([rows], client.query(copyFrom(statement)));
}
