import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const SELECT_REPLAY_STATES = `
select id::float8, topic, code, reason, outcome, outcomes, replayed_at is null as waiting
from tailrace.dead_letter where id = any ($1::int8[]) order by id`;

export interface ReplayState {
  readonly id: number;
  readonly topic: string;
  readonly code: string;
  readonly reason: string;
  readonly outcome: string | null;
  readonly outcomes: Readonly<Record<string, number>> | null;
  /** Not replayed yet. */
  readonly waiting: boolean;
}

/** How it stands with letters, without their bytes. */
export async function selectReplayStates(
  client: Client,
  ids: readonly number[],
): Promise<ReplayState[]> {
  return (await client.query<ReplayState>(SELECT_REPLAY_STATES, [numberArray(ids)])).rows;
}
