// GET /v1/me: who the token says its bearer is, and what the policy lets that one do.
import type { Clock } from '../../lib/clock.ts';
import { formatSelector } from '../../lib/selector.ts';
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
      const policy = { revision: rules.revision };
      return reply(JSON.stringify({ subject, tenant, roles, actions, policy }));
    },
  };
}
