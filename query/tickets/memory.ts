// Tickets in the memory of one process: all there are where it is alone, and what it can do without Redis where it is not.

import { TailraceError } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Claims } from '../../policies/grant.ts';
import type { Revocations } from '../../policies/tokens/revocations.ts';
import { overAtMs } from '../../policies/tokens/verifier.ts';
import { newTicket } from './secret.ts';
import {
  full,
  invalid,
  SUBJECT_TICKETS_MAX,
  TICKET_TTL_S,
  type Tickets,
  tooMany,
} from './tickets.ts';

const TICKETS_MAX = 10_000;

interface Common {
  readonly claims: Claims;
  readonly endsMs: number;
  /** What others can be told of it, where there are others. */
  readonly share?: Share;
}

/** A ticket as others can be told of it. */
export interface Share {
  /** The token, which opens with the ticket alone. */
  readonly sealed: string;
  /** Where it was put; undefined where it was not, or nobody knows. */
  readonly epoch: string | undefined;
}

export type Ticket =
  | (Common & { readonly state: 'fresh' })
  | (Common & {
      readonly state: 'stream';
      /** Parameters and origin of its first stream. */
      readonly boundTo: string;
    });

/** Tickets of one process, by their id. */
export interface MemoryTickets {
  /** Puts a new one in. @throws TailraceError `too_many_requests`, `overloaded`. */
  add(id: string, ticket: Ticket, nowMs: number): void;
  /** Puts one in that is elsewhere, too; the oldest go for it where there is no room. */
  keep(id: string, ticket: Ticket): void;
  /** One that is live, be its token revoked or not. */
  get(id: string, nowMs: number): Ticket | undefined;
  remove(id: string): void;
  knows(id: string, nowMs: number): boolean;
  /** @throws TailraceError `ticket_invalid`, `token_revoked`. */
  redeemForSocket(id: string, nowMs: number): Claims;
  /** @throws TailraceError `ticket_invalid`, `token_revoked`. */
  redeemForStream(id: string, boundTo: string, nowMs: number): Claims;
}

export interface MemoryOptions {
  readonly metrics: Metrics;
  readonly revocations: Revocations;
}

/** When a ticket is over that nobody has used, in ms since 1970. */
export function freshEndsMs(claims: Claims, nowMs: number): number {
  return Math.min(nowMs + TICKET_TTL_S * 1_000, overAtMs(claims));
}

/** Tickets by their id, the one unused for longest first, and whose they are. */
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
export function createMemoryTickets({ metrics, revocations }: MemoryOptions): MemoryTickets {
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
    if (shelf.size >= TICKETS_MAX) throw full();
  }

  function get(id: string, nowMs: number): Ticket | undefined {
    const ticket = shelf.get(id);
    return ticket === undefined || ticket.endsMs <= nowMs ? undefined : ticket;
  }

  function find(id: string, nowMs: number): Ticket {
    const ticket = get(id, nowMs);
    if (ticket === undefined) throw invalid();
    if (!revocations.isRevoked(ticket.claims)) return ticket;
    shelf.remove(id);
    throw new TailraceError('token_revoked', 'The token of this ticket was revoked.');
  }

  return {
    add(id, ticket, nowMs) {
      makeRoom(ticket.claims, nowMs);
      shelf.put(id, ticket);
    },
    keep(id, ticket) {
      shelf.put(id, ticket);
      const [oldestOwn] = shelf.of(ticket.claims);
      const isTooMany = shelf.of(ticket.claims).size > SUBJECT_TICKETS_MAX;
      if (isTooMany && oldestOwn !== undefined) shelf.remove(oldestOwn);
      const [oldest] = shelf.ids();
      if (shelf.size > TICKETS_MAX && oldest !== undefined) shelf.remove(oldest);
    },
    get,
    remove: shelf.remove,
    knows(id, nowMs) {
      const ticket = get(id, nowMs);
      return ticket !== undefined && !revocations.isRevoked(ticket.claims);
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
      shelf.put(id, { ...ticket, state: 'stream', endsMs: overAtMs(claims), boundTo });
      return claims;
    },
  };
}

/** Makes the tickets of a process that is alone. */
export function createLoneTickets(options: MemoryOptions): Tickets {
  const memory = createMemoryTickets(options);
  return {
    async issue({ claims }, nowMs) {
      const id = newTicket();
      memory.add(id, { state: 'fresh', claims, endsMs: freshEndsMs(claims, nowMs) }, nowMs);
      return id;
    },
    knows: memory.knows,
    redeemForSocket: async (id, nowMs) => memory.redeemForSocket(id, nowMs),
    redeemForStream: async (id, boundTo, nowMs) => memory.redeemForStream(id, boundTo, nowMs),
  };
}
