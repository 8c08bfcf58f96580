// A new token on an open connection. It is an offer: one that is refused changes nothing, and the old token stands.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import { afterTaking, waitMs } from '../../lib/limits/bucket.ts';
import type { Claims } from '../../policies/grant.ts';
import { requireAllowed } from '../authority.ts';
import type { Connection } from './connection.ts';
import { adopt } from './decide.ts';
import { askFor } from './right.ts';

/** Tokens that one connection may bring at once, and then each second: verifying one costs 100 µs. */
const RATE = { burst: 20, perS: 1 };

/** Those of one connection, one after the other and not too many. */
export interface Reauths {
  /** Runs `work` after that of earlier calls. @throws TailraceError `too_many_requests`. */
  inTurn(work: () => Promise<void>): Promise<void>;
}

/** Makes the turns of a connection that has brought no token yet. */
export function createReauths(clock: Clock): Reauths {
  let fullAtMs = 0;
  let last: Promise<void> = Promise.resolve();
  return {
    async inTurn(work) {
      const nowMs = clock();
      const wait = waitMs(fullAtMs, RATE, 1, nowMs);
      if (wait > 0) throw tooMany(wait);
      fullAtMs = afterTaking(fullAtMs, RATE, 1, nowMs);
      // Two that cross must not end with the older one.
      const own = last.then(work);
      last = own.catch(() => undefined);
      await own;
    },
  };
}

function tooMany(waitedMs: number): TailraceError {
  const afterS = Math.ceil(waitedMs / 1_000);
  return new TailraceError(
    'too_many_requests',
    `A connection may bring ${RATE.perS} new token a second; try again in ${afterS} s.`,
    { details: { retry_after_s: afterS } },
  );
}

function checkSame(before: Claims, renewed: Claims): void {
  const { sub, tenant, iss } = before;
  const isSame = renewed.sub === sub && renewed.tenant === tenant && renewed.iss === iss;
  if (isSame) return;
  throw new TailraceError(
    'forbidden',
    'The new token has to be of the same subject, tenant and issuer.',
  );
}

async function renew(connection: Connection, token: string): Promise<void> {
  const { authority, clock } = connection.services;
  const { right } = connection;
  const renewed = await authority.verify(token);
  if (!connection.isOpen) return;
  checkSame(right.claims, renewed);
  const nowMs = clock();
  const grant = requireAllowed(askFor(connection, renewed, nowMs));
  adopt(connection, renewed, grant, nowMs);
  // The new token may end sooner than those it is sent the same with look at it.
  for (const one of connection.held.values()) connection.services.cohorts.leave(one);
  // Whether it is revoked has to be looked up for this one.
  right.revocations = -1;
  connection.isWarned = false;
  connection.tickAtMs = 0;
  connection.transport.send({ type: 'reauthed', expires_at: renewed.exp * 1_000 });
}

/**
 * Puts a new token of the same subject in the place of the old one.
 *
 * @throws TailraceError for the `error` frame: `token_invalid`, `token_expired`, `token_revoked`, `forbidden`,
 *   `too_many_requests`, `keys_unavailable`.
 */
export function reauth(connection: Connection, token: string): Promise<void> {
  return connection.reauths.inTurn(() => renew(connection, token));
}
