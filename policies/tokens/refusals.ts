// The words in which a token is refused. None repeats anything of the token.
import { TailraceError } from '../../lib/errors.ts';

/** 401 `token_invalid`; `fault` goes on after "The token". */
export function invalid(fault: string): TailraceError {
  return new TailraceError('token_invalid', `The token ${fault}.`);
}

/** 401 `token_expired`. */
export function expired(expS: number): TailraceError {
  const when = new Date(Math.max(0, expS) * 1000).toISOString();
  return new TailraceError('token_expired', `The token is over since ${when}; get a new one.`);
}

/** 401 `token_revoked`. */
export function revoked(): TailraceError {
  return new TailraceError('token_revoked', 'The token was revoked; get a new one.');
}

/** 503 `keys_unavailable`. */
export function keysUnavailable(): TailraceError {
  return new TailraceError(
    'keys_unavailable',
    'The keys that tokens are verified with cannot be had now; try again shortly.',
  );
}
