// Errors that cross a folder's border: each has a code that stays the same and a sentence that says what to do next.

/** An error that a user or an operator may see. `code` is stable; the message is for people. */
export class TailraceError extends Error {
  readonly code: string;
  /** Further members of the problem+json answer, e.g. `parameter` or `step`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'TailraceError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The message of anything that was thrown; OPA's SDK throws strings and plain objects. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === 'string' ? thrown : JSON.stringify(thrown);
}
