// The answering half of a process: latest values, range reader, and the server with its page.
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { openRedisScripts } from '../lib/redis.ts';
import type { Route } from '../query/http/routes.ts';
import { amountsOf } from '../query/limits/amounts.ts';
import type { SignIn } from '../query/routes/sign-in.ts';
import { type QueryServer, startQueryServer } from '../query/server.ts';
import { openDeadLetters } from '../store/dead-letters-list.ts';
import { openLatest } from '../store/latest.ts';
import { createRangeReader } from '../store/range/read.ts';
import type { Ground } from './ground.ts';
import { readiness } from './readiness.ts';
import type { IngestParts } from './run-ingest.ts';

const PAGE_DIRECTORY = fileURLToPath(new URL('../query/page/', import.meta.url));

/** Starts the half on its ground. `routes` are served beside the interface's own. */
export async function startQuery(
  ground: Ground,
  ingest: IngestParts | undefined,
  routes: readonly Route[] = [],
): Promise<QueryServer> {
  const { config, database, feed, catalogue, metrics, log, lifecycle } = ground;
  const { policy, tokens, revocations, decisions } = ground;
  const { REDIS_URL: url } = config;
  const ticketRedis =
    url === undefined
      ? undefined
      : lifecycle.add(await openRedisScripts({ url, log, metrics, what: 'tickets' }));
  const latest = lifecycle.add(await openLatest({ database, feed, catalogue, metrics, log }));
  return lifecycle.add(
    await startQueryServer({
      host: config.HTTP_HOST,
      port: config.HTTP_PORT,
      catalogue,
      rangeReader: createRangeReader({ database, feed, metrics }),
      latest,
      feed,
      policy,
      tokens,
      ticketRedis,
      revocations,
      tokenLifetimeMaxMs: config.JWT_LIFETIME_MAX,
      decisions,
      deadLetters: openDeadLetters(database, () => ingest?.replays.wake()),
      clock: systemClock,
      log,
      metrics,
      limits: amountsOf(config),
      corsOrigins: config.CORS_ORIGINS,
      readiness: () => readiness(ground, ingest),
      pageDirectory: PAGE_DIRECTORY,
      signIn: signInOf(config),
      routes,
    }),
  );
}

function signInOf(config: Config): SignIn | undefined {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId } = config;
  if (issuer === undefined || clientId === undefined) return undefined;
  return { issuer, clientId, scope: config.OIDC_SCOPE, resource: config.OIDC_RESOURCE };
}
