// A serving process from start to exit: the parts in the order of the data's way, and a drain when it is told to end.
import type { Config } from '../lib/config.ts';
import { messageOf, TailraceError } from '../lib/errors.ts';
import { createLifecycle, type Lifecycle } from '../lib/lifecycle.ts';
import { createLog, type Log } from '../lib/log.ts';
import type { Route } from '../query/http/routes.ts';
import type { QueryServer } from '../query/server.ts';
import { type Ground, prepareGround } from './ground.ts';
import { type IngestParts, startIngest } from './run-ingest.ts';
import { startProbes } from './run-probes.ts';
import { startQuery } from './run-query.ts';
import { openWriteDoor } from './run-writes.ts';
import { writeRoutes } from './write-routes.ts';

/** Which halves run in this process. */
export interface Halves {
  readonly ingest: boolean;
  readonly query: boolean;
}

/** A process that serves. */
export interface Running {
  readonly ground: Ground;
  readonly ingest: IngestParts | undefined;
  readonly query: QueryServer | undefined;
}

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
    const query = halves.query ? await startAnswering(ground, ingest, routes) : undefined;
    const probes = halves.query ? undefined : await startProbes(ground, ingest);
    log.info(
      { http: (query ?? probes)?.url, mqtt: ingest?.brokerUrl, pid: process.pid },
      'serving',
    );
    return { ground, ingest, query };
  } catch (cause) {
    await lifecycle.stop();
    throw cause;
  }
}

/** Starts the answering half, which also takes readings. */
function startAnswering(
  ground: Ground,
  ingest: IngestParts | undefined,
  routes: readonly Route[],
): Promise<QueryServer> {
  const door = openWriteDoor(ground, ingest?.publish);
  return startQuery(ground, ingest, [...routes, ...writeRoutes(door)]);
}

/** Resolves with the signal that asks the process to end. */
export function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

/**
 * Resolves when a process should drain and end: by a signal, or because it can ingest no more. Then there is an error
 * to end with: whoever supervises the process shall start it again, and the broker sends again what was not acknowledged.
 */
export async function endOf(
  { ingest }: Pick<Running, 'ingest'>,
  signal: Promise<NodeJS.Signals>,
): Promise<{ readonly signal: NodeJS.Signals } | { readonly error: TailraceError }> {
  const asked = signal.then((name) => ({ signal: name }));
  if (ingest === undefined) return asked;
  const failed = ingest.failed.then((cause) => ({
    error: new TailraceError('ingest_failed', `Ingesting failed for good: ${messageOf(cause)}`, {
      cause,
    }),
  }));
  return Promise.race([asked, failed]);
}

/**
 * Parts that drain have bounds of their own, and a database that hangs has none. Ending all the same is safe: what was
 * not acknowledged is sent again.
 */
const STOP_MAX_MS = 60_000;

/** Runs until it is told to end, and drains. */
export async function runProcess(config: Config, halves: Halves): Promise<void> {
  const log = createLog(config.LOG_LEVEL);
  const lifecycle = createLifecycle(log);
  const signal = endSignal();
  const end = await endOf(await start(config, halves, log, lifecycle), signal);
  log.info(end, 'draining');
  const overdue = setTimeout(() => {
    log.fatal('ending though not everything has stopped: does the database hang?');
    process.exit(1);
  }, STOP_MAX_MS);
  await lifecycle.stop();
  clearTimeout(overdue);
  log.info('stopped');
  if ('error' in end) throw end.error;
}
