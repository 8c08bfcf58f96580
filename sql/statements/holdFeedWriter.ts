import { FEED_WRITER_LOCK_CLASS } from '../locks.ts';
import type { Client } from '../transaction.ts';

const NEXT_ID = `
select nextval('tailrace.feed_writer_id')::int4 as id`;

const LOCK = `
select pg_advisory_lock_shared($1::int4, $2::int4)`;

// There already where the process has lost its connection and got another, and where its writers have been faster.
const HOLD = `
insert into tailrace.feed_writer (id, held_by) values ($1::int4, pg_backend_pid())
on conflict (id) do update set held_by = excluded.held_by`;

const UNLOCK = `
select pg_advisory_unlock_shared($1::int4, $2::int4)`;

const DELETE = `
delete from tailrace.feed_writer where id = $1::int4`;

/** A number that no process has had among those that append to the feed. */
export async function nextFeedWriter(client: Client): Promise<number> {
  const { rows } = await client.query<{ id: number }>(NEXT_ID);
  if (rows[0] === undefined) throw new Error('tailrace.feed_writer_id gave no number');
  return rows[0].id;
}

/** Writes its row; this connection holds it from now on, for as long as it lives. */
export async function holdFeedWriter(client: Client, id: number): Promise<void> {
  await client.query(LOCK, [FEED_WRITER_LOCK_CLASS, id]);
  await client.query(HOLD, [id]);
}

/** Lets go of its row, which the next who looks finds. */
export async function letFeedWriterGo(client: Client, id: number): Promise<void> {
  await client.query(UNLOCK, [FEED_WRITER_LOCK_CLASS, id]);
}

export async function deleteFeedWriter(client: Client, id: number): Promise<void> {
  await client.query(DELETE, [id]);
}
