// Puts the query server together: routes, tails, and the engine that they are served by.
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import type { Feed } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { RedisScripts } from '../lib/redis.ts';
import type { Policy } from '../policies/decide/decision.ts';
import type { TokenVerifier } from '../policies/tokens/verifier.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { DeadLetters } from '../store/dead-letters-list.ts';
import type { DecisionReader } from '../store/decisions.ts';
import type { Latest } from '../store/latest.ts';
import type { RangeReader } from '../store/range/read.ts';
import type { RevocationStore } from '../store/revocations.ts';
import { createAuthority } from './authority.ts';
import { createApp, loadEngine } from './http/engine.ts';
import { listen } from './http/listen.ts';
import { createRegistry, type Route } from './http/routes.ts';
import { commonHeaders, createService } from './http/serve.ts';
import { serveWebSockets } from './http/websocket.ts';
import type { Amounts } from './limits/amounts.ts';
import { createLimits } from './limits/limits.ts';
import { createReadQueue } from './range/queue.ts';
import { queuedReaders } from './range/queued-reader.ts';
import { rangeRoute } from './range/route.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { decisionsRoute } from './routes/decisions.ts';
import { healthRoutes, type Readiness } from './routes/health.ts';
import { latestRoute } from './routes/latest.ts';
import { meRoute } from './routes/me.ts';
import { documentRoutes } from './routes/openapi.ts';
import { pageRoutes } from './routes/page.ts';
import { revocationRoutes } from './routes/revocations.ts';
import { seriesRoute } from './routes/series.ts';
import { type SignIn, signInRoute } from './routes/sign-in.ts';
import { createSignInOrigins } from './routes/sign-in-origins.ts';
import { ticketsRoute } from './routes/tickets.ts';
import { createTails } from './tail/tails.ts';

export interface QueryServerOptions {
  /** Address to listen at. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly catalogue: Catalogue;
  readonly rangeReader: RangeReader;
  readonly latest: Latest;
  readonly feed: Feed;
  readonly policy: Policy;
  readonly tokens: TokenVerifier;
  /** Where tickets are shared with other query servers; without it they are good at this one. */
  readonly ticketRedis?: RedisScripts | undefined;
  /** Where tokens are revoked; without it nobody can. */
  readonly revocations?: RevocationStore | undefined;
  /** How long a token can be good, where that is bounded. */
  readonly tokenLifetimeMaxMs?: number | undefined;
  /** What was decided; without it there is no `/v1/decisions`. */
  readonly decisions?: DecisionReader | undefined;
  /** What could not be stored; without it there is no `/v1/dead-letters`. */
  readonly deadLetters?: DeadLetters | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** What each subject, tenant and address may have. */
  readonly limits: Amounts;
  /** Origins whose pages may read answers, exactly as browsers write them. */
  readonly corsOrigins: readonly string[];
  readonly readiness: Readiness;
  /** Where the built chart page lies; none is served without. */
  readonly pageDirectory?: string | undefined;
  /** Where the page signs in; with tokens only where there is none. */
  readonly signIn?: SignIn | undefined;
  /** Routes of others, mounted beside the interface's own. */
  readonly routes?: readonly Route[];
}

export interface QueryServer extends Part {
  readonly url: string;
  readonly port: number;
}

/** How long answers in progress may take after `stop`. */
const DRAIN_MAX_MS = 10_000;
/** Tails get this long to read their `bye`. */
const BYE_MS = 300;
/**
 * The contract's 64 KB are answered by an error frame; what is longer than this closes the connection. The engine
 * gathers a message before anybody sees it: this much memory is every client's for the asking.
 */
const MESSAGE_MAX_BYTES = 2 * 1024 * 1024;

/**
 * Starts the query server; resolves when it listens.
 *
 * @throws TailraceError `http_engine`, `http_port` (the address is taken or not ours), `route_without_grant`.
 */
export async function startQueryServer(options: QueryServerOptions): Promise<QueryServer> {
  const { catalogue, rangeReader, latest, feed, decisions, clock, log, metrics } = options;
  const engine = loadEngine();
  const authority = createAuthority(options);
  const limits = createLimits({ amounts: options.limits, metrics });
  const corsOrigins = new Set(options.corsOrigins);
  const queue = createReadQueue({ concurrency: rangeReader.readsMax, metrics });
  const readerOf = queuedReaders(rangeReader, queue);
  const sources = { catalogue, rangeReader, readerOf, feed, clock };
  const app = createApp(engine);
  const publish = (topic: string, data: string | Uint8Array) =>
    void app.publish(topic, data, typeof data !== 'string');
  const tails = await createTails({ ...sources, authority, limits, publish, log, metrics });
  const interfaceRoutes = [
    seriesRoute({ ...sources, latest }),
    rangeRoute({ ...sources, authority }),
    latestRoute({ ...sources, latest }),
    tails.route,
    ticketsRoute({ authority, clock }),
    meRoute({ authority, clock }),
    ...revocationRoutes(options),
    ...deadLetterRoutes({ deadLetters: options.deadLetters, authority, clock }),
    ...(decisions === undefined ? [] : [decisionsRoute({ decisions, clock })]),
    signInRoute(options.signIn),
    ...healthRoutes(options),
    ...(options.routes ?? []),
  ];
  const registry = createRegistry([
    ...interfaceRoutes,
    ...documentRoutes(interfaceRoutes),
    ...pageRoutes(
      options.pageDirectory,
      options.signIn && createSignInOrigins(options.signIn.issuer, clock),
    ),
  ]);
  const service = createService({ registry, authority, limits, corsOrigins, clock, log, metrics });

  serveWebSockets(app, {
    path: tails.route.path,
    accept: (request, account) => tails.accept(request, account),
    limits,
    knows: (request) => authority.knows(request, clock(), { takesTicket: true }),
    headers: (request) => commonHeaders(request, corsOrigins, registry.methods(request.path)),
    messageMaxBytes: MESSAGE_MAX_BYTES,
    log,
  });
  app.any('/*', (res, req) => service.handle(res, req));
  const listening = await listen(engine, app, { ...options, portName: 'HTTP_PORT' });

  async function stop(): Promise<void> {
    engine.us_listen_socket_close(listening.socket);
    tails.stop();
    // Unreferenced: nothing is left to wait for once the answers are out, and a timer would hold the process.
    await Promise.race([service.drain(), delay(DRAIN_MAX_MS, undefined, { ref: false })]);
    await delay(BYE_MS);
    // Connections that are kept alive would hold the process otherwise.
    app.close();
  }

  let stopping: Promise<void> | undefined;
  return {
    name: 'query server',
    url: listening.url,
    port: listening.port,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}
