// Batches for tests, row by row.
import type { ReadingBatch } from './readings.ts';

export interface RowOfBatch {
  readonly id: number;
  /** µs since 1970 UTC. */
  readonly t: number;
  readonly v: number | string;
  readonly q?: number;
  readonly dup?: boolean;
}

/** The batch that holds `rows` in their order, each from a message of its own. */
export function batchOf(rows: readonly RowOfBatch[]): ReadingBatch {
  const hasStates = rows.some(({ v }) => typeof v === 'string');
  return {
    rows: rows.length,
    seriesIds: Int32Array.from(rows, ({ id }) => id),
    timesUs: Float64Array.from(rows, ({ t }) => t),
    values: Float64Array.from(rows, ({ v }) => (typeof v === 'number' ? v : 0)),
    states: hasStates ? rows.map(({ v }) => (typeof v === 'string' ? v : undefined)) : [],
    qualities: Int16Array.from(rows, ({ q }) => q ?? 0),
    dups: Uint8Array.from(rows, ({ dup }) => (dup === true ? 1 : 0)),
    messages: Int32Array.from(rows, (_, row) => row),
  };
}
