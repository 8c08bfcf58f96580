// GET /v1/me: who the token says its bearer is, and what the policy lets that one do.
import type { Clock } from '../../lib/clock.ts';
import { formatSelector } from '../../lib/selector.ts';
import type { PolicyStatus } from '../../policies/decide/decision.ts';
import { ACTIONS } from '../../policies/grant.ts';
import type { Authority } from '../authority.ts';
import { reply } from '../http/reply.ts';
import type { SubjectRoute } from '../http/routes.ts';
import { factsOf } from './facts.ts';

/** Makes the route. Actions that are not allowed are left out. */
export function meRoute({
  authority,
  clock,
}: {
  authority: Authority;
  clock: Clock;
}): SubjectRoute {
  return {
    method: 'GET',
    path: '/v1/me',
    grant: 'subject',
    summary: 'Says who the caller is and what it may do.',
    parameters: [],
    types: ['application/json'],
    handle(request, claims) {
      const nowMs = clock();
      const rules = authority.policy.pin();
      const asked = { claims, request: factsOf(request), nowMs };
      const grants = ACTIONS.map((action) =>
        rules.decide({ action, ...asked, hypothetical: true }),
      );
      const allowed = grants.filter((grant) => grant.allow);
      const actions = Object.fromEntries(
        allowed.map(({ action, selectors, obligations }) => [
          action,
          { series: selectors.map(formatSelector), obligations },
        ]),
      );
      const { sub: subject, tenant, roles } = claims;
      const isAdmin = allowed.some(({ action }) => action === 'admin');
      const policy = {
        revision: rules.revision,
        ...describeStatus(authority.policy.status(), { isAdmin, nowMs }),
      };
      return reply(JSON.stringify({ subject, tenant, roles, actions, policy }));
    },
  };
}

/** How it stands with the policy. Paths, addresses and what went wrong in detail are for admins. */
function describeStatus(
  { state, source, confirmedMs, fault }: PolicyStatus,
  { isAdmin, nowMs }: { isAdmin: boolean; nowMs: number },
): object {
  const { code, detail, atMs: at } = fault ?? {};
  return {
    state,
    age_s: Math.max(0, (nowMs - confirmedMs) / 1_000),
    ...(isAdmin ? { source } : {}),
    ...(fault === undefined ? {} : { fault: isAdmin ? { code, detail, at } : { code } }),
  };
}
