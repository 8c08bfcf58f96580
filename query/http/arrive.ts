// The first steps of a request: what it is for, and who asks.
import type { Clock } from '../../lib/clock.ts';
import type { Claims } from '../../policies/grant.ts';
import type { Authority } from '../authority.ts';
import type { Limits } from '../limits/limits.ts';
import type { Account } from './account.ts';
import { checkSizes, type Request } from './request.ts';
import { type Registry, type Route, takesTicket } from './routes.ts';

export interface ArriveOptions {
  readonly registry: Registry;
  readonly authority: Authority;
  readonly limits: Limits;
  readonly clock: Clock;
}

/** Whose token or ticket came with a request, where its route wants one. */
async function findClaims(
  route: Route,
  request: Request,
  authority: Authority,
  nowMs: number,
): Promise<Claims | undefined> {
  if (route.grant === 'public' || route.grant === 'loopback') return undefined;
  if (takesTicket(route) && request.query.has('ticket')) {
    return authority.redeemForStream(request, nowMs);
  }
  return authority.claimsOf(request, route.authorization);
}

/**
 * Finds the route of a request, and notes who asks in its account. Where nobody does who is verified, the address
 * answers for it: a refused token costs a signature's verification. Undefined for OPTIONS.
 *
 * @throws TailraceError for whatever is wrong with it, `too_many_requests` among it.
 */
export async function arrive(
  request: Request,
  account: Account,
  { registry, authority, limits, clock }: ArriveOptions,
): Promise<Route | undefined> {
  const { path } = request;
  const isProbe = () => registry.routes.some((one) => one.isProbe && one.path === path);
  const isKnown = () => {
    const asked = registry.peek(request.method, path);
    const ways = {
      authorization: asked?.authorization,
      takesTicket: asked !== undefined && takesTicket(asked),
    };
    return authority.knows(request, clock(), ways);
  };
  limits.checkAddress(request.peer, () => isProbe() || isKnown());
  try {
    checkSizes(request);
    if (request.method === 'OPTIONS' && registry.methods(request.path) !== '') return undefined;
    const route = registry.find(request.method, request.path);
    account.claims = await findClaims(route, request, authority, clock());
    return route;
  } finally {
    if (account.claims === undefined) limits.chargeAddress(request.peer);
  }
}
