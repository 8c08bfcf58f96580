import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const FINISH_REPLAYS = `
update tailrace.dead_letter as letter set
  replayed_at = now(), outcome = done.outcome, outcomes = done.outcomes::jsonb, attempts = letter.attempts + 1,
  code = coalesce(done.code, letter.code), reason = coalesce(done.reason, letter.reason),
  readings = coalesce(done.readings, letter.readings), claimed_by = null, claimed_until = null
from unnest($2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[])
  as done (id, outcome, outcomes, code, reason, readings)
where letter.id = done.id and letter.claimed_by = $1::text and letter.replayed_at is null`;

/** What became of a message, all in all; each word as the contract has it. */
export type ReplayOutcome = 'inserted' | 'duplicate' | 'corrected' | 'dead_lettered' | 'ignored';

export interface FinishedReplay {
  readonly id: number;
  readonly outcome: ReplayOutcome;
  /** How many readings became what. */
  readonly outcomes: Readonly<Record<ReplayOutcome, number>>;
  /** Why it is still a dead letter, and of how many readings. */
  readonly fault?: { readonly code: string; readonly reason: string } | undefined;
}

/** Writes what became of replayed letters, of those that the claimant still holds. */
export async function finishReplays(
  client: Client,
  by: string,
  finished: readonly FinishedReplay[],
): Promise<void> {
  await client.query(FINISH_REPLAYS, [
    by,
    numberArray(finished.map(({ id }) => id)),
    finished.map(({ outcome }) => outcome),
    finished.map(({ outcomes }) => JSON.stringify(outcomes)),
    finished.map(({ fault }) => fault?.code ?? null),
    finished.map(({ fault }) => fault?.reason ?? null),
    finished.map(({ outcomes, fault }) => (fault === undefined ? null : outcomes.dead_lettered)),
  ]);
}
