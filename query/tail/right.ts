// The right of one connection: whose token it stands on, what was decided, and how long that counts.
import type { Claims, Grant } from '../../policies/grant.ts';
import { isOver, overAtMs } from '../../policies/tokens/verifier.ts';
import type { RequestFacts } from '../http/routes.ts';
import type { Connection } from './connection.ts';
import type { TailServices } from './tails.ts';

/** Rules of time (a shift that ends) change an answer although nothing else does: so each is asked for so often. */
const DECIDED_ANEW_EVERY_MS = 55_000;
/** It counts this much longer, so that nothing has to wait for its renewal: a minute in all. */
const GRACE_MS = 5_000;

/** What a connection opens with: a decision, and under which rules of the process it was taken. */
export interface Opening {
  readonly claims: Claims;
  /** Allows the tail. */
  readonly grant: Grant;
  /** `rules` of the rechecks at the moment of the decision. */
  readonly rules: number;
}

export interface Right {
  claims: Claims;
  /** The decision in force. */
  grant: Grant;
  /** `rules` of the rechecks when it was decided. */
  rules: number;
  /** When it is to be decided again, ms since 1970; the decision counts for `GRACE_MS` more. */
  dueMs: number;
  /** Spreads the connections of a process over time. */
  readonly phaseMs: number;
  /** `revocations` of the rechecks when the token was looked up there, and what came of it. */
  revocations: number;
  isRevoked: boolean;
  /** A new decision may allow series that nobody has looked for yet. */
  mayBeWider: boolean;
}

/** The right that a connection begins with. */
export function openRight({ claims, grant, rules }: Opening, nowMs: number): Right {
  const phaseMs = Math.floor(Math.random() * DECIDED_ANEW_EVERY_MS);
  return {
    claims,
    grant,
    rules,
    phaseMs,
    dueMs: nextTurnMs(nowMs, phaseMs),
    // None that could have been looked at.
    revocations: -1,
    isRevoked: false,
    mayBeWider: false,
  };
}

function nextTurnMs(nowMs: number, phaseMs: number): number {
  const turns = Math.floor((nowMs - phaseMs) / DECIDED_ANEW_EVERY_MS) + 1;
  return turns * DECIDED_ANEW_EVERY_MS + phaseMs;
}

/** What the policy may know of a connection. */
export function factsOf({ transport }: Pick<Connection, 'transport'>): RequestFacts {
  const { protocol, origin } = transport;
  return { protocol, ...(origin === undefined ? {} : { origin }) };
}

/** Whether the token is revoked; looked up again only after a revocation. */
export function isRevoked(right: Right, { rechecks, authority }: TailServices): boolean {
  if (right.revocations === rechecks.revocations) return right.isRevoked;
  right.revocations = rechecks.revocations;
  right.isRevoked = authority.revocations.isRevoked(right.claims);
  return right.isRevoked;
}

/** Whether it is time to decide again. */
export function isDue({ right, services }: Connection, nowMs: number): boolean {
  return right.rules !== services.rechecks.rules || nowMs >= right.dueMs;
}

/** Whether something may be sent: token and decision count at this moment. Cheap, for every frame. */
export function isInForce({ isOpen, right, services }: Connection, nowMs: number): boolean {
  return (
    isOpen &&
    right.rules === services.rechecks.rules &&
    nowMs < right.dueMs + GRACE_MS &&
    !isOver(right.claims, nowMs) &&
    !isRevoked(right, services)
  );
}

/** When the right has to be looked at again by then, ms since 1970: decided anew, or its token is over. */
export function endsMs({ right }: Connection): number {
  return Math.min(right.dueMs + GRACE_MS, overAtMs(right.claims));
}

/** Asks the policy about this connection with these claims, be it yes or no. */
export function askFor(connection: Connection, claims: Claims, nowMs: number): Grant {
  const { right, services } = connection;
  const renews = right.grant;
  return services.authority.ask('tail', claims, factsOf(connection), nowMs, { renews });
}

/** Puts a decision that was just taken in force. */
export function renewRight(connection: Connection, claims: Claims, grant: Grant, nowMs: number) {
  const { right, services } = connection;
  Object.assign(right, {
    ...{ claims, grant, rules: services.rechecks.rules },
    dueMs: nextTurnMs(nowMs, right.phaseMs),
  });
}
