// Reading several things as of one moment.
import type postgres from 'postgres';
import { askBinary, type BinaryRow, binaryRowsOf } from './binary-rows.ts';
import { createRunning, forever } from './running.ts';

/** What has reading connections; a `Database` does. */
export interface Readable {
  readonly reader: postgres.Sql;
}

/** What statement functions for reading take: a snapshot, or the pool where one statement is all there is to see. */
export interface Reading {
  unsafe<T extends object[]>(
    text: string,
    parameters?: postgres.ParameterOrJSON<never>[],
    options?: postgres.UnsafeQueryOptions,
  ): Promise<T>;
  /** Runs one select without parameters and gives its rows in binary form, for columns that are packed. */
  binary(select: string): Promise<BinaryRow[]>;
}

/** How often a snapshot is begun that a lost connection spoiled. */
const ATTEMPTS_MAX = 4;

/**
 * Runs `work` in a transaction all of whose statements see the database as it was at the first of them. When `signal`
 * fires it fails with the signal's reason at once; what runs is cancelled, and the connection is given back behind that.
 */
export async function readSnapshot<T>(
  database: Readable,
  work: (snapshot: Reading) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    let isBegun = false;
    const begun = (snapshot: Reading) => {
      isBegun = true;
      return work(snapshot);
    };
    try {
      return await readOnce(database, begun, signal);
    } catch (cause) {
      const isStale = !isBegun && attempt < ATTEMPTS_MAX && isOfLostConnection(cause);
      if (!isStale) throw cause;
    }
  }
}

function readOnce<T>(
  database: Readable,
  work: (snapshot: Reading) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const running = createRunning(database.reader);
    const abort = () => {
      reject(signal?.reason);
      running.cancel(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    database.reader
      .begin('isolation level repeatable read read only', async (snapshot) => {
        let failure: { readonly cause: unknown } | undefined;
        try {
          if (signal?.aborted === true) throw signal.reason;
          resolve(await work(running.on(snapshot)));
        } catch (cause) {
          failure = { cause };
          reject(cause);
        }
        running.end();
        // A cancel still under way must not meet what the connection runs next.
        await running.cancelled();
        if (running.isLost(failure?.cause)) await forever();
        if (failure !== undefined) throw failure.cause;
      })
      .catch((cause: unknown) => {
        running.lose(cause);
        reject(cause);
      })
      .finally(() => signal?.removeEventListener('abort', abort));
  });
}

/** True for what the driver says once more of a connection that was lost, on the one that it made in its place. */
function isOfLostConnection(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === '57P01';
}

/** A reader whose statements are each a snapshot of their own, and can be cancelled. */
export function readEach(database: Readable, signal: AbortSignal | undefined): Reading {
  const { reader } = database;
  if (signal === undefined) {
    return {
      unsafe: (text, parameters, options) => reader.unsafe(text, parameters, options),
      binary: async (select) => binaryRowsOf(await askBinary(reader, select)),
    };
  }
  return {
    unsafe: (text, parameters, options) =>
      readSnapshot(database, (snapshot) => snapshot.unsafe(text, parameters, options), signal),
    binary: (select) => readSnapshot(database, (snapshot) => snapshot.binary(select), signal),
  };
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
