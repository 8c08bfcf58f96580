// What becomes of readings that share a key (series and time) with one another or with what is stored. Pure.
//
// Rows of one key are taken in the order of receipt. The same value and quality again is a duplicate; another is a
// correction, and the last one wins. A row of a packet flagged DUP is a repetition of something older, so it never
// overwrites another value and counts as a duplicate. 0 and -0 are the same value (the database gets 0 for both).
import { type ReadingBatch, ROW_OUTCOME } from './readings.ts';

/** What the database holds under one key. */
export interface StoredReading {
  readonly value: number | string;
  readonly quality: number;
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

/**
 * Folds `rows` (sorted by series, time and receipt) into what `stored` holds, by the place of each key among the
 * distinct keys of `rows`, from 0. Without `stored`, only conflicts among the rows themselves are resolved. What becomes
 * of each row is written into `outcomes`, which has a place for every row of the batch.
 */
export function resolveConflicts(
  batch: ReadingBatch,
  rows: Int32Array,
  outcomes: Uint8Array,
  stored: ReadonlyMap<number, StoredReading> = new Map(),
): Resolution {
  const insert = new Int32Array(rows.length);
  const replace = new Int32Array(rows.length);
  const count = { insert: 0, replace: 0, inserted: 0, duplicate: 0, corrected: 0 };
  let key = 0;
  for (let from = 0; from < rows.length; key++) {
    const to = endOfKey(batch, rows, from);
    const existing = stored.get(key);
    let winner = -1;
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      const held = winner === -1 ? existing : readingOf(batch, winner);
      if (held === undefined) {
        count.inserted++;
        outcomes[row] = ROW_OUTCOME.inserted;
        winner = row;
      } else if (isSame(held, readingOf(batch, row))) {
        count.duplicate++;
        outcomes[row] = ROW_OUTCOME.duplicate;
      } else if (batch.dups[row] === 1) {
        count.duplicate++;
        outcomes[row] = ROW_OUTCOME.overruled;
      } else {
        count.corrected++;
        outcomes[row] = ROW_OUTCOME.corrected;
        winner = row;
      }
    }
    if (existing === undefined) insert[count.insert++] = winner;
    else if (winner !== -1 && !isSame(existing, readingOf(batch, winner))) {
      replace[count.replace++] = winner;
    }
    from = to;
  }
  return {
    insert: insert.subarray(0, count.insert),
    replace: replace.subarray(0, count.replace),
    inserted: count.inserted,
    duplicate: count.duplicate,
    corrected: count.corrected,
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

function readingOf(batch: ReadingBatch, row: number): StoredReading {
  return {
    value: batch.states[row] ?? batch.values[row]!,
    quality: batch.qualities[row]!,
  };
}

function isSame(a: StoredReading, b: StoredReading): boolean {
  return a.value === b.value && a.quality === b.quality;
}
