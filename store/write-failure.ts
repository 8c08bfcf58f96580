// What a failed write means, and what to do about it. Pure: the writer does what is decided here.
// Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html

export type WriteFailure =
  /** A key exists already. */
  | 'conflict'
  /** Two transactions stood in each other's way; the database undid this one. */
  | 'transient'
  /** A statement took longer than the role's statement_timeout, or somebody cancelled it. */
  | 'cancelled'
  /** The database cannot be reached, is starting or stopping. */
  | 'unavailable'
  /** The disk is full, the server takes no writes, or has run out of something. */
  | 'exhausted'
  /** Some row holds what the table does not take. */
  | 'bad_row'
  | 'unknown';

export type WritePath = 'copy' | 'staging';

/**
 * `writing`: the last attempt went through, or its failure is one that the next attempt gets over. `waiting`: no attempt
 * gets through just now. `paused`: the database answers, and takes no writes (full, read-only, or something unknown); an
 * operator has to look.
 */
export type WriterState = 'writing' | 'waiting' | 'paused';

export type WriteStep =
  | { readonly kind: 'again'; readonly path: WritePath; readonly afterMs: number }
  /** Write each half by itself, until the bad row stands alone, or the halves are small enough. */
  | { readonly kind: 'split' }
  /** The one row there is cannot be stored. */
  | { readonly kind: 'refuse' };

const UNAVAILABLE_CODES = /^(08...|57P0[1-5]|53300|25P03|E[A-Z]{3,}|ERR_STREAM_\w+)$/;
const UNAVAILABLE_TEXT = /connection terminated|connection error|timeout exceeded|socket|closed/i;

/** So many rows are no longer halved: what takes too long then is not their number. */
const CANCELLED_ROWS_MAX = 1000;
/** What conflicts, or is undone, this often or for so long is in the way for good. */
const STUCK_ATTEMPTS = 10;
const STUCK_MS = 10_000;

/** Reads the SQLSTATE, or the system's error code, of what a driver threw. */
export function classifyFailure(cause: unknown): WriteFailure {
  const code = codeOf(cause);
  if (code === '23505') return 'conflict';
  if (code === '40001' || code === '40P01' || code === '55P03') return 'transient';
  if (code === '57014') return 'cancelled';
  if (code !== undefined && UNAVAILABLE_CODES.test(code)) return 'unavailable';
  if (code === '25006' || code?.startsWith('53')) return 'exhausted';
  if (code === '23514' || code === '23502' || code?.startsWith('22')) return 'bad_row';
  if (code === undefined && cause instanceof Error && UNAVAILABLE_TEXT.test(cause.message)) {
    return 'unavailable';
  }
  return 'unknown';
}

/** The SQLSTATE or system error code of anything thrown. */
export function codeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}

/**
 * What to do after the `attempt`-th failure (from 1) of writing `rows` rows.
 *
 * Whatever may have been committed after all (the answer to COMMIT was lost) is written again by staging, which finds
 * what is there. Nothing is given up but a single row that the database refuses, and nothing is retried without a
 * pause but a conflict, which each retry resolves.
 */
export function nextStep(
  failure: WriteFailure,
  path: WritePath,
  rows: number,
  attempt: number,
): WriteStep {
  switch (failure) {
    case 'conflict':
      return {
        kind: 'again',
        path: 'staging',
        afterMs: path === 'copy' ? 0 : wait(5, 500, attempt),
      };
    case 'transient':
      return { kind: 'again', path, afterMs: wait(10, 1000, attempt) };
    case 'unavailable':
      return { kind: 'again', path: 'staging', afterMs: wait(50, 5000, attempt) };
    case 'exhausted':
      return { kind: 'again', path: 'staging', afterMs: wait(1000, 10_000, attempt) };
    case 'bad_row':
      return rows > 1 ? { kind: 'split' } : { kind: 'refuse' };
    case 'cancelled':
      return rows > CANCELLED_ROWS_MAX
        ? { kind: 'split' }
        : { kind: 'again', path: 'staging', afterMs: wait(1000, 30_000, attempt) };
    case 'unknown':
      return { kind: 'again', path: 'staging', afterMs: wait(1000, 30_000, attempt) };
  }
}

/** What the writer is after the `attempt`-th failure of the same rows, `sinceMs` after the first attempt began. */
export function stateAfter(failure: WriteFailure, attempt: number, sinceMs: number): WriterState {
  switch (failure) {
    case 'conflict':
    case 'transient':
      return attempt >= STUCK_ATTEMPTS || sinceMs >= STUCK_MS ? 'waiting' : 'writing';
    case 'bad_row':
      return 'writing';
    case 'unavailable':
      return 'waiting';
    case 'cancelled':
    case 'exhausted':
    case 'unknown':
      return 'paused';
  }
}

function wait(firstMs: number, maxMs: number, attempt: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 16));
}
