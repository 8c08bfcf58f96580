import type { Client } from '../transaction.ts';

const SELECT_REPLAYS_WAITING = `
select count(*)::float8 as waiting from tailrace.dead_letter
where replay_requested_at is not null and replayed_at is null`;

const SELECT_REPLAY_REQUESTS = `
select count::float8 from tailrace.dead_letter_request`;

/** Letters whose replay was asked for. */
export async function selectReplaysWaiting(client: Client): Promise<number> {
  const { rows } = await client.query<{ waiting: number }>(SELECT_REPLAYS_WAITING);
  return rows[0]?.waiting ?? 0;
}

/** How often replays were asked for, ever; no letter is looked at for it. */
export async function selectReplayRequests(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(SELECT_REPLAY_REQUESTS);
  return rows[0]?.count ?? 0;
}
