// How long a range may take: what the caller says, the server's own bound over it.
import { parseDuration } from '../../lib/duration.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Parameter } from '../http/routes.ts';
import { invalidParameter, type ParameterReader } from '../parameters.ts';

/** As long as any answer may take. */
const TIMEOUT_MAX_MS = 60_000;
const TIMEOUT_DEFAULT_MS = 30_000;

export const TIMEOUT_PARAMETER: Parameter = {
  name: 'timeout',
  description:
    'How long the answer may take, such as `500ms` or `5s`, or a number of seconds; 1 ms to 60 s, and 60 s where it says ' +
    'more. What takes longer is ended in the database too, and answered with 503 and the code `timeout`.',
  schema: { type: 'string', default: `${TIMEOUT_DEFAULT_MS / 1_000}s` },
  example: '5s',
};

/** Reads the parameter, in ms. @throws TailraceError `bad_parameter`. */
export function readTimeoutMs(reader: ParameterReader): number {
  const text = reader.one(TIMEOUT_PARAMETER.name);
  if (text === undefined) return TIMEOUT_DEFAULT_MS;
  const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : undefined;
  const ms = seconds === undefined ? parseDuration(text) : seconds * 1_000;
  if (ms === undefined || ms < 1) {
    throw invalidParameter(
      TIMEOUT_PARAMETER.name,
      'has to be a length of time, such as 500ms or 5s',
    );
  }
  return Math.min(ms, TIMEOUT_MAX_MS);
}

/**
 * Runs `work` with a signal that fires when `signal` does, or when `timeoutMs` have passed: then it fails at once.
 *
 * @throws TailraceError `timeout`, with `details`
 */
export async function within<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  details: Record<string, unknown> = {},
): Promise<T> {
  const ending = new AbortController();
  const over = () =>
    new TailraceError('timeout', `It was not there after ${timeoutMs / 1_000} s.`, { details });
  const pass = () => ending.abort(signal.reason);
  const timer = setTimeout(() => ending.abort(over()), timeoutMs);
  signal.addEventListener('abort', pass, { once: true });
  if (signal.aborted) pass();
  try {
    return await Promise.race([work(ending.signal), abortOf(ending.signal)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', pass);
  }
}

/** Rejects when the signal fires. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
