import type { Client } from '../transaction.ts';

const OWE = `
insert into tailrace.feed_writer (id, owes) values ($1::int4, true)
on conflict (id) do update set owes = true`;

const SETTLE = `
update tailrace.feed_writer set owes = false where id = $1::int4`;

const TELL = `
select nextval('tailrace.feed_gap')`;

/** Notes that this process has committed points that the feed did not take. */
export async function oweFeedGap(client: Client, id: number): Promise<void> {
  await client.query(OWE, [id]);
}

/** Notes that a gap stands in the feed for all that this process owed. */
export async function settleFeedGap(client: Client, id: number): Promise<void> {
  await client.query(SETTLE, [id]);
}

/** Lets all who look know that points are missing in the feed. Counts at once, whatever becomes of the transaction. */
export async function tellFeedGap(client: Client): Promise<void> {
  await client.query(TELL);
}
