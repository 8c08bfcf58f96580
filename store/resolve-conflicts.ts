// What becomes of readings that share a key (series and time) with one another or with what is stored. Pure.
//
// Rows of one key are taken in the order of receipt. The same value and quality again is a duplicate; another is a
// correction, and the last one wins. A row of a packet flagged DUP is a repetition of something older, so it never
// overwrites another value and counts as a duplicate. 0 and -0 are the same value (the database gets 0 for both).
import { type ReadingBatch, ROW_OUTCOME } from './readings.ts';

/** What the database holds under keys, by the place of each key among the distinct keys of sorted rows. */
export interface StoredReadings {
  /** 1 where there is something under the key. */
  readonly present: Uint8Array;
  readonly values: ArrayLike<number | string | undefined>;
  readonly qualities: ArrayLike<number>;
}

/** What is to be written, and how it counts. inserted + duplicate + corrected is the number of rows given. */
export interface Resolution {
  /** Rows whose keys are not stored yet, in the order given: one a key. */
  readonly insert: Int32Array;
  /** Rows that replace what is stored, likewise. */
  readonly replace: Int32Array;
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
}

const NO_ROWS = new Int32Array(0);

/** For rows of which no two share a key, and none is stored: all are new. */
export function resolveDistinct(rows: Int32Array, outcomes: Uint8Array): Resolution {
  // Written down each time: an attempt before may have left something else.
  for (let i = 0; i < rows.length; i++) outcomes[rows[i]!] = ROW_OUTCOME.inserted;
  return { insert: rows, replace: NO_ROWS, inserted: rows.length, duplicate: 0, corrected: 0 };
}

/**
 * Folds `rows` (sorted by series, time and receipt) into what is `stored`. Without it, only conflicts among the rows
 * themselves are resolved. What becomes of each row is written into `outcomes`, which has a place for every row of the
 * batch.
 */
export function resolveConflicts(
  batch: ReadingBatch,
  rows: Int32Array,
  outcomes: Uint8Array,
  stored?: StoredReadings,
): Resolution {
  const insert = new Int32Array(rows.length);
  const replace = new Int32Array(rows.length);
  const tally = new Int32Array(Object.keys(ROW_OUTCOME).length);
  let inserts = 0;
  let replaces = 0;
  let key = 0;
  for (let from = 0; from < rows.length; key++) {
    const to = endOfKey(batch, rows, from);
    const isStored = stored !== undefined && stored.present[key] === 1;
    let winner = -1;
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      let outcome: number;
      if (winner === -1) {
        outcome = isStored
          ? meet(batch, row, isAsStored(batch, row, stored, key))
          : ROW_OUTCOME.inserted;
      } else {
        outcome = meet(batch, row, isSame(batch, row, winner));
      }
      outcomes[row] = outcome;
      tally[outcome]!++;
      if (outcome === ROW_OUTCOME.inserted || outcome === ROW_OUTCOME.corrected) winner = row;
    }
    if (!isStored) insert[inserts++] = winner;
    else if (winner !== -1 && !isAsStored(batch, winner, stored, key)) replace[replaces++] = winner;
    from = to;
  }
  return {
    insert: insert.subarray(0, inserts),
    replace: replace.subarray(0, replaces),
    inserted: tally[ROW_OUTCOME.inserted]!,
    duplicate: tally[ROW_OUTCOME.duplicate]! + tally[ROW_OUTCOME.overruled]!,
    corrected: tally[ROW_OUTCOME.corrected]!,
  };
}

/** The rows that are the first of their keys: one a key, in the order of keys that `resolveConflicts` counts by. */
export function distinctKeys(batch: ReadingBatch, rows: Int32Array): Int32Array {
  const first = new Int32Array(rows.length);
  let keys = 0;
  for (let from = 0; from < rows.length; from = endOfKey(batch, rows, from)) {
    first[keys++] = rows[from]!;
  }
  return first.subarray(0, keys);
}

function endOfKey(batch: ReadingBatch, rows: Int32Array, from: number): number {
  const { seriesIds, timesUs } = batch;
  const id = seriesIds[rows[from]!];
  const timeUs = timesUs[rows[from]!];
  let to = from + 1;
  while (to < rows.length && seriesIds[rows[to]!] === id && timesUs[rows[to]!] === timeUs) to++;
  return to;
}

/** What becomes of a row whose key has a value already. */
function meet(batch: ReadingBatch, row: number, same: boolean): number {
  if (same) return ROW_OUTCOME.duplicate;
  return batch.dups[row] === 1 ? ROW_OUTCOME.overruled : ROW_OUTCOME.corrected;
}

function isSame(batch: ReadingBatch, a: number, b: number): boolean {
  return (
    batch.values[a] === batch.values[b] &&
    batch.states[a] === batch.states[b] &&
    batch.qualities[a] === batch.qualities[b]
  );
}

function isAsStored(
  batch: ReadingBatch,
  row: number,
  stored: StoredReadings,
  key: number,
): boolean {
  const value = batch.states[row] ?? batch.values[row];
  return value === stored.values[key] && batch.qualities[row] === stored.qualities[key];
}
