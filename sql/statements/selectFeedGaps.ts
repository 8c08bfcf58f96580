import type { Client } from '../transaction.ts';

// A sequence's first value stands there before it was given.
const SELECT_GAPS = `
select case when is_called then last_value else 0 end::float8 as number,
  exists (select from tailrace.feed_writer where owes) as is_owed
from tailrace.feed_gap`;

export interface FeedGapsRow {
  /** Another one than before where followers have to hear of a gap. */
  readonly number: number;
  /** Whether a process owes the feed a gap. */
  readonly is_owed: boolean;
}

/** How the feed stands with what is committed. */
export async function selectFeedGaps(client: Client): Promise<FeedGapsRow> {
  const { rows } = await client.query<FeedGapsRow>(SELECT_GAPS);
  if (rows[0] === undefined) throw new Error('tailrace.feed_gap has no value');
  return rows[0];
}
