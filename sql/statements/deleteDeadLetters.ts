import type { Client } from '../transaction.ts';
import { type DeadLetterFilter, deadLetterBounds } from './selectDeadLetters.ts';

// Deletes what `doomed` names and takes it out of the account, in one statement.
const deleteDoomed = (doomed: string) => `
with doomed as (${doomed}), gone as (
  delete from tailrace.dead_letter as letter using doomed
  where letter.id = doomed.id and letter.received_at = doomed.received_at
  returning letter.id, letter.received_at, letter.size_bytes
), counted as (
  update tailrace.dead_letter_day as known set
    letters = known.letters - less.letters, bytes = known.bytes - less.bytes
  from (
    select (received_at at time zone 'utc')::date as day, count(*) as letters, sum(size_bytes) as bytes
    from gone group by 1
  ) as less
  where known.day = less.day
)
select count(*)::float8 as letters, coalesce(sum(size_bytes), 0)::float8 as bytes from gone`;

const deleteFound = (bounds: string) =>
  deleteDoomed(`
  select id, received_at from tailrace.dead_letter where ${bounds}
  order by received_at, id
  limit $1`);

// The excess is of the statement's own snapshot: of two that delete at once the second finds its rows gone, or fewer.
const DELETE_OVER = deleteDoomed(`
  select id, received_at from (
    select id, received_at, sum(size_bytes) over (order by received_at, id) - size_bytes as bytes_before
    from (
      select id, received_at, size_bytes from tailrace.dead_letter order by received_at, id limit $1
    ) as oldest
  ) as measured
  where received_at < timestamptz 'epoch' + $2::float8 * interval '1 millisecond'
    or bytes_before < (select sum(bytes) from tailrace.dead_letter_day) - $3::int8`);

export interface Deleted {
  readonly letters: number;
  readonly bytes: number;
}

const NONE: Deleted = { letters: 0, bytes: 0 };

/** Deletes letters, the oldest first, at most `limit`. */
export async function deleteDeadLetters(
  client: Client,
  filter: DeadLetterFilter,
  limit: number,
): Promise<Deleted> {
  const { sql, parameters } = deadLetterBounds(filter, 2);
  const { rows } = await client.query<Deleted>(deleteFound(sql), [limit, ...parameters]);
  return rows[0] ?? NONE;
}

/** Deletes letters received before `beforeMs` (since 1970), and the oldest while all have more than `bytesMax`. */
export async function deleteDeadLettersOver(
  client: Client,
  bounds: { readonly beforeMs: number; readonly bytesMax: number; readonly limit: number },
): Promise<Deleted> {
  const { beforeMs, bytesMax, limit } = bounds;
  const { rows } = await client.query<Deleted>(DELETE_OVER, [limit, beforeMs, bytesMax]);
  return rows[0] ?? NONE;
}
