// A serving process from start to exit: the parts in the order of the data's way, and a drain when it is told to end.
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Feed } from '../lib/feed/feed.ts';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLifecycle, type Lifecycle } from '../lib/lifecycle.ts';
import { createLog, type Log } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { loadPolicy, type Policy } from '../policies/policy.ts';
import type { TokenVerifier } from '../policies/tokens.ts';
import type { Route } from '../query/http/routes.ts';
import type { QueryServer } from '../query/server.ts';
import type { Database } from '../sql/connection.ts';
import { migrate } from '../sql/migrate.ts';
import { type Catalogue, openCatalogue } from '../store/catalogue.ts';
import { startDatabase } from './database.ts';
import { type IngestParts, startIngest } from './run-ingest.ts';
import { startQuery } from './run-query.ts';
import { openTokens } from './tokens.ts';

/** Which halves run in this process. */
export interface Halves {
  readonly ingest: boolean;
  readonly query: boolean;
}

/** What both halves stand on. */
export interface Ground {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  readonly database: Database;
  readonly feed: Feed;
  readonly catalogue: Catalogue;
  readonly policy: Policy;
  readonly tokens: TokenVerifier;
}

/** A process that serves. */
export interface Running {
  readonly ground: Ground;
  readonly ingest: IngestParts | undefined;
  readonly query: QueryServer | undefined;
}

/** Records and points that a tail can resume over, in memory: some minutes of a busy plant, at most some 100 MB. */
const RING_LIMITS = { recordsMax: 65_536, pointsMax: 2_000_000, bytesMax: 128 << 20 };

/** @throws TailraceError `usage` that names every URL that half a process lacks. */
export function requireUrls(config: Config, half: string): void {
  const missing = (['DATABASE_URL', 'MQTT_URL', 'REDIS_URL'] as const).filter(
    (name) => config[name] === undefined,
  );
  if (missing.length === 0) return;
  throw new TailraceError(
    'usage',
    `tailrace ${half} shares its work with other processes, and embedded parts belong to one: set ` +
      `${missing.join(', ')}, or run tailrace start.`,
  );
}

async function openFeed(config: Config, metrics: Metrics, log: Log): Promise<Feed> {
  if (config.REDIS_URL !== undefined) {
    return openRedisStream({ url: config.REDIS_URL, metrics, log });
  }
  log.info('REDIS_URL is unset: feed in memory');
  return createRing({ ...RING_LIMITS, metrics, log });
}

async function prepareGround(config: Config, log: Log, lifecycle: Lifecycle): Promise<Ground> {
  const metrics = createMetrics();
  const clock = systemClock;
  const policy = await loadPolicy({ metrics, log, clock, location: config.POLICY_BUNDLE });
  const tokens = await openTokens(config, { metrics, log });
  const database = await startDatabase(config, lifecycle, log);
  await migrate(database, { log });
  const feed = await openFeed(config, metrics, log);
  lifecycle.add({ name: 'feed', stop: () => feed.stop() });
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  lifecycle.add({ name: 'catalogue', stop: () => catalogue.stop() });
  return { config, log, metrics, lifecycle, database, feed, catalogue, policy, tokens };
}

/** Starts the halves; what had been started is stopped again if a later part fails to start. */
export async function start(
  config: Config,
  halves: Halves,
  log: Log,
  lifecycle: Lifecycle,
  routes: readonly Route[] = [],
): Promise<Running> {
  try {
    const ground = await prepareGround(config, log, lifecycle);
    const ingest = halves.ingest ? await startIngest(ground) : undefined;
    const query = halves.query ? await startQuery(ground, ingest, routes) : undefined;
    log.info({ http: query?.url, mqtt: ingest?.brokerUrl, pid: process.pid }, 'serving');
    return { ground, ingest, query };
  } catch (cause) {
    await lifecycle.stop();
    throw cause;
  }
}

/** Resolves with the signal that asks the process to end. */
export function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

/** Runs until it is told to end, and drains. */
export async function runProcess(config: Config, halves: Halves): Promise<void> {
  const log = createLog(config.LOG_LEVEL);
  const lifecycle = createLifecycle(log);
  const signal = endSignal();
  await start(config, halves, log, lifecycle);
  log.info({ signal: await signal }, 'draining');
  await lifecycle.stop();
  log.info('stopped');
}
