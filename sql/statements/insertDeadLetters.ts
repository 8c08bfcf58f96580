import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const INSERT_DEAD_LETTERS = `
insert into tailrace.dead_letter
  (received_at, tenant, topic, content_type, code, reason, payload, readings)
select timestamptz 'epoch' + received_us * interval '1 microsecond', tenant, topic, content_type, code, reason,
  payload, readings
from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::int4[])
  as w (received_us, tenant, topic, content_type, code, reason, payload, readings)`;

export interface DeadLetterRow {
  /** µs since 1970 UTC. */
  readonly receivedUs: number;
  readonly tenant: string | null;
  readonly topic: string;
  readonly contentType?: string | undefined;
  readonly code: string;
  readonly reason: string;
  readonly payload: Uint8Array;
  readonly readings: number;
}

/** Keeps messages that could not be stored, all or none. */
export async function insertDeadLetters(
  client: Client,
  letters: readonly DeadLetterRow[],
): Promise<void> {
  await client.query(INSERT_DEAD_LETTERS, [
    numberArray(letters.map(({ receivedUs }) => receivedUs)),
    letters.map(({ tenant }) => tenant),
    letters.map(({ topic }) => topic),
    letters.map(({ contentType }) => contentType ?? null),
    letters.map(({ code }) => code),
    letters.map(({ reason }) => reason),
    letters.map(({ payload }) => Buffer.from(payload.buffer, payload.byteOffset, payload.length)),
    numberArray(letters.map(({ readings }) => readings)),
  ]);
}
