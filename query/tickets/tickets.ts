// Tickets stand for a token where a client cannot set headers (WebSocket and EventSource in browsers). A ticket for a
// WebSocket is used up by it; one for an event stream reopens that stream, because EventSource asks for the same URL again
// when it reconnects. A ticket is never worth more than its token: it ends with it, be it by time or by revocation.
import { TailraceError } from '../../lib/errors.ts';
import type { Claims } from '../../policies/grant.ts';

export const TICKET_TTL_S = 30;
/** Of one subject, so that it leaves room for others. */
export const SUBJECT_TICKETS_MAX = 1_000;

/** Whom a ticket is for. */
export interface Bearer {
  /** As they were verified. */
  readonly claims: Claims;
  /** What they were verified from. */
  readonly token: string;
}

export interface Tickets {
  /** @throws TailraceError `too_many_requests`, `overloaded`: the subject, or all together, have too many. */
  issue(bearer: Bearer, nowMs: number): Promise<string>;
  /**
   * Whether a ticket is live, fresh or a stream's, and of a token that is not revoked; or may be so by what another
   * server knows, which is said of a few hundred a second. Nothing happens to it.
   */
  knows(ticket: string, nowMs: number): boolean;
  /**
   * Uses a fresh ticket up.
   * @throws TailraceError `ticket_invalid`, `tickets_unavailable`; whatever is wrong with its token by now.
   */
  redeemForSocket(ticket: string, nowMs: number): Promise<Claims>;
  /**
   * Binds a fresh ticket, or finds it bound to the same.
   * @throws TailraceError `ticket_invalid`, `tickets_unavailable`; whatever is wrong with its token by now.
   */
  redeemForStream(ticket: string, boundTo: string, nowMs: number): Promise<Claims>;
}

/** 429 `too_many_requests`. */
export function tooMany(): TailraceError {
  return new TailraceError(
    'too_many_requests',
    `One subject has ${SUBJECT_TICKETS_MAX} tickets at most: use those, or wait ${TICKET_TTL_S} s until they are over.`,
    { details: { retry_after_s: TICKET_TTL_S } },
  );
}

/** 503 `overloaded`. */
export function full(): TailraceError {
  return new TailraceError('overloaded', 'Too many tickets are out; ask again in a second.');
}

/** 401 `ticket_invalid`. */
export function invalid(): TailraceError {
  return new TailraceError(
    'ticket_invalid',
    'The ticket is unknown, over, used up or bound to another stream; POST /v1/tickets gives a new one.',
  );
}

/** 503 `tickets_unavailable`. */
export function unavailable(): TailraceError {
  return new TailraceError(
    'tickets_unavailable',
    'This ticket was given by another server, and cannot be looked up now; ask again, or here for a new one.',
  );
}
