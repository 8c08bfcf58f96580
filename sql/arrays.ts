// Columns of numbers as PostgreSQL's array literals. The driver would quote every element, one call each.

/** `{1,2,3}`: an array literal of numbers, exact for float8 too (the shortest text that reads back the same). */
export function numberArray(numbers: ArrayLike<number>): string {
  return `{${Array.prototype.join.call(numbers, ',')}}`;
}
