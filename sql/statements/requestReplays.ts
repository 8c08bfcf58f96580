import type { Client } from '../transaction.ts';
import {
  DEAD_LETTER_COLUMNS,
  type DeadLetterFilter,
  type DeadLetterRecord,
  deadLetterBounds,
} from './selectDeadLetters.ts';

// What waits already keeps its place. The lock is for two who ask at once: the second sees what the first has done.
const requestReplaysOf = (bounds: string, payload: string) => `
with counted as (
  update tailrace.dead_letter_request set count = count + 1
)
update tailrace.dead_letter as letter set
  replay_requested_at =
    case when replay_requested_at is not null and replayed_at is null then replay_requested_at else now() end,
  replayed_at = null, outcome = null, outcomes = null
from (
  select id as asked_id, received_at as asked_at from tailrace.dead_letter
  where ${bounds}
  order by received_at, id
  limit $1
  for update
) as asked
where letter.id = asked_id and letter.received_at = asked_at
returning ${DEAD_LETTER_COLUMNS}, ${payload} as payload`;

/** Asks for the replay of letters, the oldest first, at most `limit`; gives them back, with their bytes if wanted. */
export async function requestReplays(
  client: Client,
  filter: DeadLetterFilter,
  { limit, withPayload }: { readonly limit: number; readonly withPayload: boolean },
): Promise<DeadLetterRecord[]> {
  const { sql, parameters } = deadLetterBounds(filter, 2);
  const payload = withPayload ? 'payload' : `''::bytea`;
  const text = requestReplaysOf(sql, payload);
  return (await client.query<DeadLetterRecord>(text, [limit, ...parameters])).rows;
}
