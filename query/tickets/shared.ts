// Tickets of several query servers: who comes first is decided in Redis, and each server keeps in memory what it gave or
// opened itself. While Redis is away, or has lost what it had, each goes by that, as one that is alone does: then a
// ticket may be good once at each of them.
import { TailraceError } from '../../lib/errors.ts';
import { afterTaking, type Rate, waitMs } from '../../lib/limits/bucket.ts';
import type { RedisScripts } from '../../lib/redis.ts';
import type { Claims } from '../../policies/grant.ts';
import { overAtMs } from '../../policies/tokens/verifier.ts';
import {
  createMemoryTickets,
  freshEndsMs,
  type MemoryOptions,
  type Share,
  type Ticket,
} from './memory.ts';
import { openRedisShelf, type Taken } from './redis-shelf.ts';
import { bindingOf, isTicket, nameOf, newTicket, seal, unseal } from './secret.ts';
import { full, invalid, type Tickets, tooMany, unavailable } from './tickets.ts';

export interface SharedOptions extends MemoryOptions {
  readonly redis: RedisScripts;
  /** Claims of a token, as for any other that comes. @throws TailraceError for one that is not good any more. */
  verify(token: string): Promise<Claims>;
  /** Of all servers together. */
  readonly ticketsMax?: number;
}

/** Tokens have a kilobyte, mostly. */
const TICKETS_MAX = 20_000;
/** Tickets that may be others' are looked up so often for addresses that are at their limit. */
const UNKNOWN: Rate = { perS: 200, burst: 200 };

type Taking = Taken | { readonly kind: 'away' };

/** What Redis says, or that it says nothing. */
async function unlessAway<T>(work: Promise<T>): Promise<T | { readonly kind: 'away' }> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof TailraceError && thrown.code === 'redis_unavailable') {
      return { kind: 'away' };
    }
    throw thrown;
  }
}

/** Whether Redis never had a ticket as it is known here, or has it no more because it lost all that it had. */
function isLost(taking: Taking, { share }: Ticket): boolean {
  return taking.kind === 'unknown' && (taking.epoch === '' || taking.epoch !== share?.epoch);
}

/** Makes the tickets of one of several servers. */
export function createSharedTickets(options: SharedOptions): Tickets {
  const { redis, verify, metrics, ticketsMax = TICKETS_MAX } = options;
  const own = createMemoryTickets(options);
  const shelf = openRedisShelf(redis, ticketsMax);
  let unknownFullAtMs = 0;
  metrics.bounded('shared_tickets', () => shelf.size, ticketsMax);

  function put(id: string, ticket: Ticket, sealed: string, nowMs: number) {
    const { claims, state, endsMs } = ticket;
    const binding = state === 'stream' ? ticket.boundTo : undefined;
    const ends = { freshEndsMs: endsMs, tokenEndsMs: overAtMs(claims) };
    return unlessAway(shelf.put({ name: nameOf(id), claims, binding, sealed, ...ends }, nowMs));
  }

  function take(id: string, binding: string | undefined, nowMs: number): Promise<Taking> {
    return unlessAway(shelf.take(nameOf(id), binding, nowMs));
  }

  /** A ticket that was found here or nowhere: whether it was here, and is still good without Redis. */
  function requireMine(id: string, mine: Ticket | undefined, taking: Taking): void {
    if (mine === undefined) throw taking.kind === 'away' ? unavailable() : invalid();
    if (taking.kind === 'away' || isLost(taking, mine)) return;
    own.remove(id);
    throw invalid();
  }

  /** Nothing of Redis is believed: the token is verified as if it had come itself. */
  async function claimsIn(id: string, sealed: string): Promise<Claims> {
    const token = unseal(id, sealed);
    if (token === undefined) throw invalid();
    return verify(token);
  }

  /** Opens a stream with a ticket that only others know, and knows it from then on. */
  async function adopt(id: string, boundTo: string, { epoch, sealed }: Share): Promise<Claims> {
    const claims = await claimsIn(id, sealed);
    const endsMs = overAtMs(claims);
    own.keep(id, { state: 'stream', claims, endsMs, boundTo, share: { epoch, sealed } });
    return claims;
  }

  /** Has a ticket that was bound here bound in Redis, too; where that fails, when it is used next. */
  async function shareAgain(id: string, nowMs: number): Promise<void> {
    const ticket = own.get(id, nowMs);
    if (ticket?.share === undefined) return;
    const { sealed } = ticket.share;
    const outcome = await put(id, ticket, sealed, nowMs);
    const epoch = outcome.kind === 'put' ? outcome.epoch : undefined;
    own.keep(id, { ...ticket, share: { sealed, epoch } });
  }

  return {
    async issue({ claims, token }, nowMs) {
      const id = newTicket();
      const sealed = seal(id, token);
      const ticket = { state: 'fresh', claims, endsMs: freshEndsMs(claims, nowMs) } as const;
      const outcome = await put(id, ticket, sealed, nowMs);
      if (outcome.kind === 'subject_full') throw tooMany();
      if (outcome.kind === 'full') throw full();
      if (outcome.kind === 'put') {
        own.keep(id, { ...ticket, share: { sealed, epoch: outcome.epoch } });
      } else own.add(id, { ...ticket, share: { sealed, epoch: undefined } }, nowMs);
      return id;
    },
    knows(id, nowMs) {
      if (own.knows(id, nowMs)) return true;
      if (!isTicket(id) || !redis.isAnswering) return false;
      if (waitMs(unknownFullAtMs, UNKNOWN, 1, nowMs) > 0) return false;
      unknownFullAtMs = afterTaking(unknownFullAtMs, UNKNOWN, 1, nowMs);
      return true;
    },
    async redeemForSocket(id, nowMs) {
      if (!isTicket(id)) throw invalid();
      const mine = own.get(id, nowMs);
      const taking = await take(id, undefined, nowMs);
      if (taking.kind === 'refused') throw invalid();
      if (taking.kind !== 'taken') requireMine(id, mine, taking);
      else if (mine === undefined) return claimsIn(id, taking.sealed);
      // Both have to agree: another request may have used it here while Redis was asked by this one.
      return own.redeemForSocket(id, nowMs);
    },
    async redeemForStream(id, boundTo, nowMs) {
      if (!isTicket(id)) throw invalid();
      const binding = bindingOf(id, boundTo);
      const taking = await take(id, binding, nowMs);
      if (taking.kind === 'refused') throw invalid();
      const mine = own.get(id, nowMs);
      if (taking.kind === 'taken' && mine === undefined) return adopt(id, binding, taking);
      if (taking.kind !== 'taken') requireMine(id, mine, taking);
      const claims = own.redeemForStream(id, binding, nowMs);
      const isBoundHereAlone = taking.kind === 'away' && mine?.state === 'fresh';
      if (taking.kind === 'unknown' || isBoundHereAlone) await shareAgain(id, nowMs);
      return claims;
    },
  };
}
