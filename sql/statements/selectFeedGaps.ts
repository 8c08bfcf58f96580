import type { Client } from '../transaction.ts';

const SELECT_GAPS = `
select last_value::float8 as number, exists (select from tailrace.feed_writer where owes) as is_owed
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
