// What became of one message, for whoever gave it to the pipeline and waits: a replayed dead letter.
import { type ReadingBatch, ROW_OUTCOME } from '../store/readings.ts';
import type { Fault } from './fault.ts';

/** Readings of a message by what became of them. `faults` says why some are dead letters, one for each code. */
export interface MessageOutcome {
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
  readonly deadLettered: number;
  readonly ignored: number;
  readonly faults: readonly Fault[];
}

/** The outcome of a message that is under way. */
export type OutcomeTally = { -readonly [K in keyof MessageOutcome]: MessageOutcome[K] } & {
  faults: Fault[];
};

export function emptyOutcome(): OutcomeTally {
  return { inserted: 0, duplicate: 0, corrected: 0, deadLettered: 0, ignored: 0, faults: [] };
}

/** Counts what became of the rows of some messages of a batch; refused rows become letters, which are counted as such. */
export function tallyRows(
  tallies: ReadonlyMap<number, OutcomeTally>,
  rows: ReadingBatch,
  rowOutcomes: Uint8Array,
): void {
  if (tallies.size === 0) return;
  for (let row = 0; row < rows.rows; row++) {
    const tally = tallies.get(rows.messages[row] as number);
    if (tally === undefined) continue;
    const outcome = rowOutcomes[row];
    if (outcome === ROW_OUTCOME.inserted) tally.inserted++;
    else if (outcome === ROW_OUTCOME.corrected) tally.corrected++;
    else if (outcome !== ROW_OUTCOME.refused) tally.duplicate++;
  }
}
