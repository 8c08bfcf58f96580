// Tickets stand for a token where a client cannot set headers (WebSocket and EventSource in browsers). They live in
// the memory of one process. A ticket for a WebSocket is used up by it; one for an event stream reopens that stream,
// because EventSource asks for the same URL again when it reconnects.
import { randomBytes } from 'node:crypto';
import { TailraceError } from '../lib/errors.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Claims } from '../policies/grant.ts';

export const TICKET_TTL_S = 30;
const TICKETS_MAX = 10_000;

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
  /** @throws TailraceError `overloaded` where too many are out. */
  issue(claims: Claims, nowMs: number): string;
  /** Uses a fresh ticket up. @throws TailraceError `ticket_invalid`. */
  redeemForSocket(ticket: string, nowMs: number): Claims;
  /** Binds a fresh ticket, or finds it bound to the same. @throws TailraceError `ticket_invalid`. */
  redeemForStream(ticket: string, boundTo: string, nowMs: number): Claims;
}

/** Makes an empty store. `toleranceS` is how long a token may be used after its `exp`. */
export function createTickets(options: { metrics: Metrics; toleranceS: number }): Tickets {
  const tickets = new Map<string, Ticket>();
  options.metrics.bounded('tickets', () => tickets.size, TICKETS_MAX);

  function forgetEnded(nowMs: number): void {
    for (const [id, ticket] of tickets) if (ticket.endsMs <= nowMs) tickets.delete(id);
  }

  function find(id: string, nowMs: number): Ticket {
    const ticket = tickets.get(id);
    if (ticket === undefined || ticket.endsMs <= nowMs) throw invalid();
    return ticket;
  }

  return {
    issue(claims, nowMs) {
      if (tickets.size >= TICKETS_MAX) forgetEnded(nowMs);
      if (tickets.size >= TICKETS_MAX) {
        throw new TailraceError('overloaded', 'Too many tickets are out; ask again in a second.');
      }
      const id = randomBytes(24).toString('base64url');
      tickets.set(id, { state: 'fresh', claims, endsMs: nowMs + TICKET_TTL_S * 1_000 });
      return id;
    },
    redeemForSocket(id, nowMs) {
      const ticket = find(id, nowMs);
      if (ticket.state !== 'fresh') throw invalid();
      tickets.delete(id);
      return ticket.claims;
    },
    redeemForStream(id, boundTo, nowMs) {
      const ticket = find(id, nowMs);
      if (ticket.state === 'stream') {
        if (ticket.boundTo !== boundTo) throw invalid();
        return ticket.claims;
      }
      const endsMs = (ticket.claims.exp + options.toleranceS) * 1_000;
      tickets.set(id, { state: 'stream', claims: ticket.claims, endsMs, boundTo });
      return ticket.claims;
    },
  };
}

function invalid(): TailraceError {
  return new TailraceError(
    'ticket_invalid',
    'The ticket is unknown, over, used up or bound to another stream; POST /v1/tickets gives a new one.',
  );
}
