// Who asks, and what the policy says to it: tokens, tickets and decisions in one place.
import { TailraceError } from '../lib/errors.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { RedisScripts } from '../lib/redis.ts';
import type { Decider, Policy } from '../policies/decide/decision.ts';
import type { Action, Claims, Grant } from '../policies/grant.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';
import { bearerToken, type TokenVerifier } from '../policies/tokens/verifier.ts';
import type { Request } from './http/request.ts';
import type { RequestFacts } from './http/routes.ts';
import { createLoneTickets } from './tickets/memory.ts';
import { createSharedTickets } from './tickets/shared.ts';
import type { Tickets } from './tickets/tickets.ts';

/** Gives a request's Authorization header. */
type AuthorizationOf = (request: Request) => string | undefined;

const headerOf: AuthorizationOf = ({ headers }) => headers.get('authorization');

/** What of a request may say who asks. */
export interface Asked {
  /** The bearer token's header unless given. */
  readonly authorization?: AuthorizationOf | undefined;
  /** Whether the parameter `ticket` may. */
  readonly takesTicket: boolean;
}

/** How a question belongs to others. */
export interface Asking {
  /** The grant that the answer renews: where nothing changed, it comes back itself. */
  readonly renews?: Grant | undefined;
  /** The rules to ask, where several answers have to agree with one another; those in force now unless given. */
  readonly rules?: Decider | undefined;
  /** What is to be written, by its labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface Authority {
  /** Claims of the request's bearer token. @throws TailraceError `token_missing`, `token_invalid`, `token_expired`. */
  claimsOf(request: Request, authorization?: AuthorizationOf): Promise<Claims>;
  /**
   * Whether the request brings a token that was verified before, or a ticket, for a route that takes one, that is live as
   * far as can be said: whoever has it is no stranger.
   */
  knows(request: Request, nowMs: number, asked: Asked): boolean;
  /** Claims of a token. @throws TailraceError `token_invalid`, `token_expired`. */
  verify(token: string): Promise<Claims>;
  /** A ticket for the request's bearer token, whose claims these are. @throws TailraceError as `Tickets.issue`. */
  issueTicket(request: Request, claims: Claims, nowMs: number): Promise<string>;
  /** Claims behind the `ticket` parameter of an event stream. @throws TailraceError as `Tickets.redeemForStream`. */
  redeemForStream(request: Request, nowMs: number): Promise<Claims>;
  /** A grant that allows the action. @throws TailraceError `forbidden` with the policy's reason. */
  decide(
    action: Action,
    claims: Claims,
    facts: RequestFacts,
    nowMs: number,
    asking?: Asking,
  ): Grant;
  /** What the policy says, be it yes or no. */
  ask(action: Action, claims: Claims, facts: RequestFacts, nowMs: number, asking?: Asking): Grant;
  readonly tickets: Tickets;
  /** The rules in force, for what has to agree with itself over several questions, and their state. */
  readonly policy: Policy;
  /** Which tokens are over before their time. */
  readonly revocations: Revocations;
}

export interface AuthorityOptions {
  readonly policy: Policy;
  readonly tokens: TokenVerifier;
  /** Where tickets are shared with other servers; those of this one are good here alone without it. */
  readonly ticketRedis?: RedisScripts | undefined;
  readonly metrics: Metrics;
}

/** What binds a ticket to its stream: every parameter but the ticket itself, and the page's origin. */
function streamKey(request: Request): string {
  const parameters = [...request.query].filter(([name]) => name !== 'ticket').sort();
  return JSON.stringify([request.path, request.headers.get('origin') ?? '', parameters]);
}

/** Gives back a grant that allows its action. @throws TailraceError `forbidden` with the policy's reason. */
export function requireAllowed(grant: Grant): Grant {
  if (grant.allow) return grant;
  const { action, decisionId } = grant;
  throw new TailraceError('forbidden', grant.reason, {
    details: { action, decision_id: decisionId },
  });
}

/** Makes the authority of one server. */
export function createAuthority(options: AuthorityOptions): Authority {
  const { policy, tokens, metrics, ticketRedis: redis } = options;
  const { revocations, verify } = tokens;
  const tickets =
    redis === undefined
      ? createLoneTickets({ metrics, revocations })
      : createSharedTickets({ metrics, revocations, redis, verify });

  function ask(
    action: Action,
    claims: Claims,
    facts: RequestFacts,
    nowMs: number,
    { renews, rules = policy, labels }: Asking = {},
  ): Grant {
    const of = labels === undefined ? {} : { labels };
    return rules.decide({ action, claims, request: facts, nowMs, renews, ...of });
  }

  return {
    verify: (token) => tokens.verify(token),
    knows(request, nowMs, { authorization = headerOf, takesTicket }) {
      const ticket = request.query.get('ticket');
      if (takesTicket && ticket !== null && tickets.knows(ticket, nowMs)) return true;
      const [, token] = authorization(request)?.split(' ') ?? [];
      return token !== undefined && tokens.knows(token);
    },
    ask,
    tickets,
    policy,
    revocations,
    claimsOf: async (request, authorization = headerOf) =>
      tokens.verify(bearerToken(authorization(request))),
    issueTicket: (request, claims, nowMs) =>
      tickets.issue({ claims, token: bearerToken(headerOf(request)) }, nowMs),
    redeemForStream: (request, nowMs) =>
      tickets.redeemForStream(request.query.get('ticket') ?? '', streamKey(request), nowMs),
    decide: (...question) => requireAllowed(ask(...question)),
  };
}
