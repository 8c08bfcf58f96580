// A server of nothing but /healthz, /readyz and /metrics, for a process that answers nobody else: an ingester alone.
import { setTimeout as delay } from 'node:timers/promises';
import type { Part } from '../lib/lifecycle.ts';
import { type AuthorityOptions, createAuthority } from './authority.ts';
import { createApp, loadEngine } from './http/engine.ts';
import { listen } from './http/listen.ts';
import { createRegistry } from './http/routes.ts';
import { createService, type ServeOptions } from './http/serve.ts';
import type { Amounts } from './limits/amounts.ts';
import { createLimits } from './limits/limits.ts';
import { type HealthRouteOptions, healthRoutes } from './routes/health.ts';

export interface ProbeServerOptions
  extends AuthorityOptions,
    HealthRouteOptions,
    Pick<ServeOptions, 'clock' | 'log'> {
  /** Address to listen at. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The variable that says the port. */
  readonly portName: string;
  /** What each address may have. */
  readonly limits: Amounts;
}

export interface ProbeServer extends Part {
  readonly url: string;
}

/** How long answers in progress may take after `stop`. */
const DRAIN_MAX_MS = 2_000;

/**
 * Starts the server; resolves when it listens.
 *
 * @throws TailraceError `http_engine`, `http_port` (the address is taken or not ours).
 */
export async function startProbeServer(options: ProbeServerOptions): Promise<ProbeServer> {
  const { clock, log, metrics } = options;
  const engine = loadEngine();
  const service = createService({
    registry: createRegistry(healthRoutes(options)),
    authority: createAuthority(options),
    limits: createLimits({ amounts: options.limits, metrics }),
    corsOrigins: new Set(),
    ...{ clock, log, metrics },
  });
  const app = createApp(engine);
  app.any('/*', (res, req) => service.handle(res, req));
  const { socket, url } = await listen(engine, app, options);
  return {
    name: 'probe server',
    url,
    async stop() {
      engine.us_listen_socket_close(socket);
      await Promise.race([service.drain(), delay(DRAIN_MAX_MS, undefined, { ref: false })]);
      app.close();
    },
  };
}
