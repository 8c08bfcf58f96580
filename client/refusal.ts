// Which refusals end a tail, and which it tries again after.

/** Why a tail ended that nobody ended: `code` is a close code, an HTTP status, or the code of an error frame. */
export class TailError extends Error {
  readonly code: string;
  /** Of an HTTP status, the server's own code, such as `token_expired`; undefined where it gave none. */
  readonly problem: string | undefined;

  constructor(code: string, message: string, problem?: string) {
    super(message);
    this.name = 'TailError';
    this.code = code;
    this.problem = problem;
  }
}

/** Errors that are the same at every attempt. */
const FINAL_ERRORS: ReadonlySet<string> = new Set([
  ...['missing_parameter', 'bad_parameter', 'conflicting_parameters', 'not_supported_yet'],
  ...['bad_frame', 'frame_too_large', 'forbidden', 'too_costly', 'not_found'],
]);

/**
 * What an error frame means for the subscription `id`: that it is none for good, that it may be asked for again, that
 * one of its series is not there, or nothing. The refusal of a new token has no id: the one before stands until its end.
 */
export function meaningOf(
  error: { readonly id?: string; readonly code: string },
  id: string,
): 'final' | 'lost' | 'without a series' | 'nothing' {
  if (error.code === 'frame_too_large') return 'final';
  if (error.id !== id) return 'nothing';
  if (error.code === 'unknown_series') return 'without a series';
  return FINAL_ERRORS.has(error.code) ? 'final' : 'lost';
}
