import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

// The payloads come as one value, which the driver sends as it is: as an array it would write each as text, twice as
// long. Bytes are counted in the same statement, so the account is never wrong.
const INSERT_DEAD_LETTERS = `
with letter as (
  insert into tailrace.dead_letter
    (received_at, tenant, asset, topic, content_type, properties, code, reason, payload, readings, size_bytes)
  select timestamptz 'epoch' + received_us * interval '1 microsecond', tenant, asset, topic, content_type,
    properties::jsonb, code, reason, substring($11::bytea from start for length), readings, size_bytes
  from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::int4[], $10::int4[], $12::int4[], $13::int8[])
    as w (received_us, tenant, asset, topic, content_type, properties, code, reason, start, length, readings,
      size_bytes)
  returning received_at, size_bytes
)
insert into tailrace.dead_letter_day as known (day, letters, bytes)
select (received_at at time zone 'utc')::date as day, count(*), sum(size_bytes) from letter group by 1 order by 1
on conflict (day) do update set letters = known.letters + excluded.letters, bytes = known.bytes + excluded.bytes`;

export interface DeadLetterRow {
  /** µs since 1970 UTC. */
  readonly receivedUs: number;
  readonly tenant: string | null;
  /** What the topic's rule names; null or absent where none takes the topic. */
  readonly asset?: string | null | undefined;
  readonly topic: string;
  readonly contentType?: string | undefined;
  /** MQTT 5 user properties. */
  readonly userProperties?: Readonly<Record<string, string>> | undefined;
  readonly code: string;
  readonly reason: string;
  readonly payload: Uint8Array;
  readonly readings: number;
}

/** What a letter takes beside its texts and bytes: its row's other columns and its entries in four indexes, roughly. */
const ROW_BYTES = 300;

/** Keeps messages that could not be stored, all or none. Texts without NUL and without broken characters. */
export async function insertDeadLetters(
  client: Client,
  letters: readonly DeadLetterRow[],
): Promise<void> {
  const starts: number[] = [];
  const sizes: number[] = [];
  const properties: (string | null)[] = [];
  let start = 1;
  for (const { payload, topic, reason, contentType = '', userProperties } of letters) {
    const text = userProperties === undefined ? null : JSON.stringify(userProperties);
    starts.push(start);
    properties.push(text);
    start += payload.length;
    const texts = topic.length + reason.length + contentType.length + (text?.length ?? 0);
    sizes.push(payload.length + texts + ROW_BYTES);
  }
  await client.query(INSERT_DEAD_LETTERS, [
    numberArray(letters.map(({ receivedUs }) => receivedUs)),
    letters.map(({ tenant }) => tenant),
    letters.map(({ asset }) => asset ?? null),
    letters.map(({ topic }) => topic),
    letters.map(({ contentType }) => contentType ?? null),
    properties,
    letters.map(({ code }) => code),
    letters.map(({ reason }) => reason),
    numberArray(starts),
    numberArray(letters.map(({ payload }) => payload.length)),
    Buffer.concat(letters.map(({ payload }) => payload)),
    numberArray(letters.map(({ readings }) => readings)),
    numberArray(sizes),
  ]);
}
