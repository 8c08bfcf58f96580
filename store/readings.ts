// Readings on their way into the database, column by column: no object per reading on the hot path.

/**
 * Readings in receipt order, ready to be written. All columns are `rows` long. A row is a number if its series is of
 * kind number: then `values` holds it; else `states` does.
 */
export interface ReadingBatch {
  readonly rows: number;
  readonly seriesIds: Int32Array;
  /** µs since 1970 UTC. */
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  /** Text of state rows; undefined for a row that holds a number. Empty where the batch has no state at all. */
  readonly states: readonly (string | undefined)[];
  /** 0 is good; anything else is the device's own code. */
  readonly qualities: Int16Array;
  /** 1 where the packet was flagged DUP: such a row never overwrites another value. */
  readonly dups: Uint8Array;
  /** Index of the message within the batch that each row came from, for dead letters. */
  readonly messages: Int32Array;
}

/**
 * What became of a row. `inserted`: its key was new. `duplicate`: the same value and quality stood there. `corrected`:
 * another did, and the row took its place, if only for a later row of the same batch to correct it again. `overruled`:
 * another did, and stays, because the row's packet was flagged DUP; it counts as a duplicate, and followers must not be
 * told its value. `refused`: the database does not take it.
 */
export const ROW_OUTCOME = {
  inserted: 0,
  duplicate: 1,
  corrected: 2,
  overruled: 3,
  refused: 4,
} as const;

/** What became of a batch, in readings: inserted, duplicate, corrected and refused add up to the batch's rows. */
export interface WriteOutcome {
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
  /** Rows that the database refused, with why. The caller keeps them as dead letters of their messages. */
  readonly refused: readonly {
    readonly row: number;
    readonly code: string;
    readonly reason: string;
  }[];
  /** One of ROW_OUTCOME for each row of the batch. */
  readonly rowOutcomes: Uint8Array;
  /** How many were late, whatever became of them. */
  readonly late: number;
}
