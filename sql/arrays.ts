// Columns of numbers as PostgreSQL's array literals. The driver would quote every element, one call each.

/** Keys of readings, column by column. */
export interface ReadingKeys {
  readonly seriesIds: ArrayLike<number> & Iterable<number>;
  /** µs since 1970 UTC. */
  readonly timesUs: ArrayLike<number> & Iterable<number>;
}

/** `{1,2,3}`: an array literal of numbers, exact for float8 too (the shortest text that reads back the same). */
export function numberArray(numbers: ArrayLike<number>): string {
  return `{${Array.prototype.join.call(numbers, ',')}}`;
}

/** The two literals of `keys`: int4[] and int8[]. */
export function keyArrays(keys: ReadingKeys): [string, string] {
  return [numberArray(keys.seriesIds), numberArray(keys.timesUs)];
}
