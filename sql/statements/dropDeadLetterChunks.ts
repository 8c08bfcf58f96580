import type { Client } from '../transaction.ts';

const DROP_DEAD_LETTER_CHUNKS = `
select count(*)::int4 as chunks from (
  select drop_chunks('tailrace.dead_letter',
    older_than => timestamptz 'epoch' + $1::float8 * interval '1 millisecond')) as dropped`;

const DELETE_EMPTY_DAYS = `
delete from tailrace.dead_letter_day
where letters = 0 and day < ((timestamptz 'epoch' + $1::float8 * interval '1 millisecond') at time zone 'utc')::date`;

/** Gives back the space of chunks that lie wholly before `beforeMs` (since 1970), whose letters were deleted before. */
export async function dropDeadLetterChunks(client: Client, beforeMs: number): Promise<number> {
  const { rows } = await client.query<{ chunks: number }>(DROP_DEAD_LETTER_CHUNKS, [beforeMs]);
  await client.query(DELETE_EMPTY_DAYS, [beforeMs]);
  return rows[0]?.chunks ?? 0;
}
