// When each series begins. The writer keeps the answers in memory, so that a batch costs a statement only where it
// brings a series it has not written before, or a reading older than all others.
import { lowerFirstTimes } from '../sql/statements/lowerFirstTimes.ts';
import { selectFirstTimes } from '../sql/statements/selectFirstTimes.ts';
import type { Client } from '../sql/transaction.ts';
import type { ReadingBatch } from './readings.ts';

export interface FirstTimes {
  /**
   * Within the caller's transaction, lowers the first time of each series of which a list of `rows` (each sorted by
   * series and time) holds an older reading. Gives back what to call once that transaction is committed.
   */
  lower(client: Client, batch: ReadingBatch, rows: readonly Int32Array[]): Promise<() => void>;
  readonly size: number;
}

/** At most `max` series are remembered; beyond that the memory starts afresh. */
export function createFirstTimes(max: number): FirstTimes {
  const known = new Map<number, number>();

  async function lower(client: Client, batch: ReadingBatch, rows: readonly Int32Array[]) {
    const candidates = oldestOf(batch, rows, known);
    const unknown = [...candidates.keys()].filter((id) => !known.has(id));
    const stored = unknown.length === 0 ? known : await selectFirstTimes(client, unknown);
    const learnt = new Map<number, number>(unknown.map((id) => [id, stored.get(id) ?? -Infinity]));
    const lowered = [...candidates].filter(
      ([id, timeUs]) => timeUs < (learnt.get(id) ?? known.get(id) ?? Number.NEGATIVE_INFINITY),
    );
    if (lowered.length > 0) {
      await lowerFirstTimes(
        client,
        lowered.map(([id]) => id),
        lowered.map(([, timeUs]) => timeUs),
      );
    }
    return () => {
      if (known.size + learnt.size > max) known.clear();
      for (const [id, timeUs] of learnt) known.set(id, timeUs);
      for (const [id, timeUs] of lowered) known.set(id, timeUs);
    };
  }

  return {
    lower,
    get size() {
      return known.size;
    },
  };
}

/** The oldest reading of each series that may be older than what is known. The first of a run is its oldest. */
function oldestOf(
  batch: ReadingBatch,
  rows: readonly Int32Array[],
  known: ReadonlyMap<number, number>,
): Map<number, number> {
  const oldest = new Map<number, number>();
  for (const list of rows) {
    let previous = -1;
    for (const row of list) {
      const id = batch.seriesIds[row]!;
      if (id === previous) continue;
      previous = id;
      const timeUs = batch.timesUs[row]!;
      if (timeUs < (known.get(id) ?? Number.POSITIVE_INFINITY)) oldest.set(id, timeUs);
    }
  }
  return oldest;
}
