// Reading several things as of one moment.
import type postgres from 'postgres';

/** What has reading connections; a `Database` does. */
export interface Readable {
  readonly reader: postgres.Sql;
}

/** What statement functions for reading take: a snapshot, or the pool where one statement is all there is to see. */
export type Reading = Pick<postgres.Sql, 'unsafe'>;

/** Runs `work` in a transaction all of whose statements see the database as it was at the first of them. */
export async function readSnapshot<T>(
  database: Readable,
  work: (snapshot: Reading) => Promise<T>,
): Promise<T> {
  let result: { readonly value: T } | undefined;
  await database.reader.begin('isolation level repeatable read read only', async (snapshot) => {
    result = { value: await work(snapshot) };
  });
  if (result === undefined) throw new Error('readSnapshot: the transaction ended without a result');
  return result.value;
}

/** A moment as a constant of a statement: the planner leaves out chunks only by constants. */
export function timestampLiteral(timeUs: number): string {
  if (!Number.isFinite(timeUs)) throw new RangeError(`not a time: ${timeUs}`);
  // Seconds as a decimal, from whole µs: a float's own text might be in exponential form.
  const wholeUs = Math.round(timeUs);
  const sign = wholeUs < 0 ? '-' : '';
  const digits = Math.abs(wholeUs).toFixed(0).padStart(7, '0');
  return `to_timestamp(${sign}${digits.slice(0, -6)}.${digits.slice(-6)})`;
}

/** Ids as a list of constants. */
export function idList(ids: readonly number[]): string {
  if (!ids.every(Number.isSafeInteger)) throw new TypeError('an id is a whole number');
  return ids.join(', ');
}
