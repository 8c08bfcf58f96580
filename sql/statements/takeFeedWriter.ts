import { FEED_WRITER_LOCK_CLASS } from '../locks.ts';
import type { Client } from '../transaction.ts';

// Where several processes share one session (the embedded engine behind a socket) nobody can be seen by his locks. Then a
// row of that session is held by a process that lives, unless it is known that there is no other.
const SELECT_OTHERS = `
select id from tailrace.feed_writer where id <> $1::int4 and (held_by <> pg_backend_pid() or $2::bool)
order by id limit 100`;

const TRY_LOCK = `
select pg_try_advisory_xact_lock($1::int4, $2::int4) as locked`;

const SELECT_OWES = `
select owes from tailrace.feed_writer where id = $1::int4`;

/** Rows of other processes that may have no process any more. `isAlone`: no other process has this database. */
export async function selectOtherFeedWriters(
  client: Client,
  own: number | undefined,
  isAlone: boolean,
): Promise<number[]> {
  const { rows } = await client.query<{ id: number }>(SELECT_OTHERS, [own ?? -1, isAlone]);
  return rows.map(({ id }) => id);
}

/**
 * Takes the row of a process that is gone, to the end of the transaction: none of its writers is between its first
 * statement and its COMMIT then. Undefined where the process lives, or somebody else has settled it.
 */
export async function takeFeedWriter(
  client: Client,
  id: number,
): Promise<{ readonly owes: boolean } | undefined> {
  const { rows } = await client.query<{ locked: boolean }>(TRY_LOCK, [FEED_WRITER_LOCK_CLASS, id]);
  if (rows[0]?.locked !== true) return undefined;
  return (await client.query<{ owes: boolean }>(SELECT_OWES, [id])).rows[0];
}
