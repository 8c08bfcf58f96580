// Tickets stand for a token where a client cannot set headers (WebSocket and EventSource in browsers). They live in
// the memory of one process. A ticket for a WebSocket is used up by it; one for an event stream reopens that stream,
// because EventSource asks for the same URL again when it reconnects. A ticket is never worth more than its token: it
// ends with it, be it by time or by revocation.
import { randomBytes } from 'node:crypto';
import { TailraceError } from '../lib/errors.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Claims } from '../policies/grant.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';

export const TICKET_TTL_S = 30;
const TICKETS_MAX = 10_000;
/** Of one subject, so that it leaves room for others. */
export const SUBJECT_TICKETS_MAX = 1_000;

type Ticket =
  | { readonly state: 'fresh'; readonly claims: Claims; readonly endsMs: number }
  | {
      readonly state: 'stream';
      readonly claims: Claims;
      readonly endsMs: number;
      /** Parameters and origin of its first stream. */
      readonly boundTo: string;
    };

export interface Tickets {
  /** @throws TailraceError `too_many_requests`, `overloaded`: the subject, or all together, have too many. */
  issue(claims: Claims, nowMs: number): string;
  /** Whether a ticket is live: fresh or a stream's, and of a token that is not revoked. Nothing happens to it. */
  knows(ticket: string, nowMs: number): boolean;
  /** Uses a fresh ticket up. @throws TailraceError `ticket_invalid`, `token_revoked`. */
  redeemForSocket(ticket: string, nowMs: number): Claims;
  /** Binds a fresh ticket, or finds it bound to the same. @throws TailraceError `ticket_invalid`, `token_revoked`. */
  redeemForStream(ticket: string, boundTo: string, nowMs: number): Claims;
}

export interface TicketsOptions {
  readonly metrics: Metrics;
  /** How long a token may be used after its `exp`. */
  readonly toleranceS: number;
  readonly revocations: Revocations;
}

/** Tickets by their id, and whose they are. */
function createShelf() {
  const tickets = new Map<string, Ticket>();
  const bySubject = new Map<string, Set<string>>();
  const keyOf = ({ tenant, sub }: Claims) => JSON.stringify([tenant, sub]);

  function remove(id: string): void {
    const ticket = tickets.get(id);
    if (ticket === undefined) return;
    tickets.delete(id);
    const key = keyOf(ticket.claims);
    const own = bySubject.get(key);
    own?.delete(id);
    if (own?.size === 0) bySubject.delete(key);
  }

  return {
    get: (id: string) => tickets.get(id),
    /** Puts a ticket in; one that is there already counts as its subject's newest then. */
    put(id: string, ticket: Ticket): void {
      remove(id);
      tickets.set(id, ticket);
      const key = keyOf(ticket.claims);
      const own = bySubject.get(key) ?? new Set();
      bySubject.set(key, own.add(id));
    },
    remove,
    ids: () => tickets.keys(),
    /** Those of a subject, the oldest first. */
    of: (claims: Claims): ReadonlySet<string> => bySubject.get(keyOf(claims)) ?? new Set(),
    get size() {
      return tickets.size;
    },
  };
}

/** Makes an empty store. */
export function createTickets(options: TicketsOptions): Tickets {
  const { metrics, toleranceS, revocations } = options;
  const shelf = createShelf();
  metrics.bounded('tickets', () => shelf.size, TICKETS_MAX);

  function forgetEnded(ids: Iterable<string>, nowMs: number): void {
    for (const id of [...ids]) if ((shelf.get(id)?.endsMs ?? 0) <= nowMs) shelf.remove(id);
  }

  /** Of a subject that has too many its oldest stream cannot be reopened any more; fresh ones are gone in seconds. */
  function makeRoom(claims: Claims, nowMs: number): void {
    if (shelf.of(claims).size >= SUBJECT_TICKETS_MAX) forgetEnded(shelf.of(claims), nowMs);
    if (shelf.of(claims).size >= SUBJECT_TICKETS_MAX) {
      const oldest = [...shelf.of(claims)].find((id) => shelf.get(id)?.state === 'stream');
      if (oldest === undefined) throw tooMany();
      shelf.remove(oldest);
    }
    if (shelf.size >= TICKETS_MAX) forgetEnded(shelf.ids(), nowMs);
    if (shelf.size < TICKETS_MAX) return;
    throw new TailraceError('overloaded', 'Too many tickets are out; ask again in a second.');
  }

  function find(id: string, nowMs: number): Ticket {
    const ticket = shelf.get(id);
    if (ticket === undefined || ticket.endsMs <= nowMs) throw invalid();
    if (!revocations.isRevoked(ticket.claims)) return ticket;
    shelf.remove(id);
    throw new TailraceError('token_revoked', 'The token of this ticket was revoked.');
  }

  const tokenEndsMs = (claims: Claims) => (claims.exp + toleranceS) * 1_000;

  return {
    issue(claims, nowMs) {
      makeRoom(claims, nowMs);
      const id = randomBytes(24).toString('base64url');
      const endsMs = Math.min(nowMs + TICKET_TTL_S * 1_000, tokenEndsMs(claims));
      shelf.put(id, { state: 'fresh', claims, endsMs });
      return id;
    },
    knows(id, nowMs) {
      const ticket = shelf.get(id);
      return ticket !== undefined && ticket.endsMs > nowMs && !revocations.isRevoked(ticket.claims);
    },
    redeemForSocket(id, nowMs) {
      const ticket = find(id, nowMs);
      if (ticket.state !== 'fresh') throw invalid();
      shelf.remove(id);
      return ticket.claims;
    },
    redeemForStream(id, boundTo, nowMs) {
      const ticket = find(id, nowMs);
      if (ticket.state === 'stream' && ticket.boundTo !== boundTo) throw invalid();
      const { claims } = ticket;
      shelf.put(id, { state: 'stream', claims, endsMs: tokenEndsMs(claims), boundTo });
      return claims;
    },
  };
}

function tooMany(): TailraceError {
  return new TailraceError(
    'too_many_requests',
    `One subject has ${SUBJECT_TICKETS_MAX} tickets at most: use those, or wait ${TICKET_TTL_S} s until they are over.`,
    { details: { retry_after_s: TICKET_TTL_S } },
  );
}

function invalid(): TailraceError {
  return new TailraceError(
    'ticket_invalid',
    'The ticket is unknown, over, used up or bound to another stream; POST /v1/tickets gives a new one.',
  );
}
