// GET /healthz, /readyz and /metrics: for whoever runs the process.
import { messageOf } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { reply } from '../http/reply.ts';
import type { LoopbackRoute, PublicRoute } from '../http/routes.ts';

/** What has to work for requests to be answered; a check that throws is not ok. */
export type Readiness = () => Promise<Record<string, { ok: boolean; detail?: string }>>;

export interface HealthRouteOptions {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
}

const NO_STORE = { 'Cache-Control': 'no-store' };

async function check(readiness: Readiness) {
  try {
    return await readiness();
  } catch (thrown) {
    return { readiness: { ok: false, detail: messageOf(thrown) } };
  }
}

/** Makes the routes. */
export function healthRoutes(options: HealthRouteOptions): (PublicRoute | LoopbackRoute)[] {
  const { readiness, metrics } = options;
  const common = { method: 'GET', parameters: [], isProbe: true } as const;
  return [
    {
      ...common,
      path: '/healthz',
      grant: 'public',
      summary: 'Says that the process lives.',
      types: ['application/json'],
      handle: () => reply('{"status":"ok"}', { headers: NO_STORE }),
    },
    {
      ...common,
      path: '/readyz',
      grant: 'public',
      summary: 'Says whether requests can be answered, part by part: 200 or 503.',
      types: ['application/json'],
      async handle() {
        const parts = await check(readiness);
        const ok = Object.values(parts).every((part) => part.ok);
        const body = JSON.stringify({ status: ok ? 'ready' : 'not ready', parts });
        if (ok) return reply(body, { headers: NO_STORE });
        return reply(body, { status: 503, headers: { ...NO_STORE, 'Retry-After': '1' } });
      },
    },
    {
      ...common,
      path: '/metrics',
      grant: 'loopback',
      summary: 'The metrics of the process, to callers on the same machine.',
      types: ['application/openmetrics-text'],
      async handle() {
        const body = await metrics.exposition();
        return reply(body, { headers: { ...NO_STORE, 'Content-Type': metrics.contentType } });
      },
    },
  ];
}
