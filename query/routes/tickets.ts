// POST /v1/tickets: what stands for a token where a client cannot set headers.
import type { Clock } from '../../lib/clock.ts';
import type { Authority } from '../authority.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute } from '../http/routes.ts';
import { TICKET_TTL_S } from '../tickets/tickets.ts';
import { factsOf } from './facts.ts';

/** Makes the route. */
export function ticketsRoute({
  authority,
  clock,
}: {
  authority: Authority;
  clock: Clock;
}): DecidedRoute {
  return {
    method: 'POST',
    path: '/v1/tickets',
    grant: { action: 'tail' },
    summary: 'Gives a ticket that opens one tail by `?ticket=`.',
    parameters: [],
    types: ['application/json'],
    prepare: (request) => ({
      facts: factsOf(request),
      async handle({ claims }) {
        const ticket = await authority.issueTicket(request, claims, clock());
        return reply(JSON.stringify({ ticket, expires_in_s: TICKET_TTL_S }), {
          headers: { 'Cache-Control': 'no-store' },
        });
      },
    }),
  };
}
