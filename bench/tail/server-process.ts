// The server of the tail cases, a process of its own, so that what it costs can be told from the rest: tailrace's query
// server, or one of those that it is measured against. Records are appended to the feed in this process as the writer
// does after COMMIT: what is measured is the fan-out, neither the broker nor the database.

import { createRing, RING_LIMITS } from '../../lib/feed/ring.ts';
import { letHeapGrow } from '../../lib/heap.ts';
import { createLifecycle } from '../../lib/lifecycle.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openDatabase } from '../../sql/connection.ts';
import { openCatalogue } from '../../store/catalogue.ts';
import { type FanOut, startNaive, startPublish } from '../services/fan-out.ts';
import { startBenchServer } from '../services/query-server.ts';
import { nowMs, pace, type Shape, seriesOf, setOf } from './load.ts';
import type { ServerAnswer, ServerRequest, ServerSettings } from './messages.ts';

/** Everybody is one subject here: no limit of a caller is met. */
const LIMITS = {
  LIMIT_SUBJECT_REQUESTS_PER_S: '1000000',
  LIMIT_SUBJECT_BYTES_PER_S: '1000000000000',
  LIMIT_SUBJECT_TAILS: '1000000',
  LIMIT_TENANT_REQUESTS_PER_S: '1000000',
  LIMIT_TENANT_BYTES_PER_S: '1000000000000',
  LIMIT_TENANT_TAILS: '1000000',
  LIMIT_ADDRESS_CONNECTIONS: '1000000',
  LIMIT_ADDRESS_REQUESTS_PER_S: '1000000',
};

type Started = Omit<FanOut, 'publish'> & {
  readonly token: string;
  publish(kind: number): unknown;
};

const lifecycle = createLifecycle(createLog('warn'));

async function startTailrace(settings: ServerSettings): Promise<Started> {
  const { databaseUrl: url, embedded, seriesIds, shape } = settings;
  const log = createLog(process.env.LOG_LEVEL ?? 'warn');
  const metrics = createMetrics();
  const database = lifecycle.add(await openDatabase({ url, embedded, log }));
  const feed = lifecycle.add(createRing({ ...RING_LIMITS, metrics, log }));
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  lifecycle.add({ name: 'catalogue', stop: () => catalogue.stop() });
  const ground = {
    database,
    feed,
    metrics,
    catalogue,
    versions: { database: null, timescaledb: null },
  };
  const note = () => undefined;
  const context = { log, lifecycle, quick: false, databaseUrl: url, note };
  const server = await startBenchServer(ground, context, undefined, LIMITS);
  return {
    port: Number(new URL(server.url).port),
    token: server.token,
    publish: (kind) => feed.append(recordOf(shape, seriesIds, kind)),
  };
}

function recordOf(shape: Shape, ids: readonly number[], kind: number) {
  const seriesIds = Int32Array.from(seriesOf(shape, kind), (index) => ids[index]!);
  const rows = seriesIds.length;
  return {
    kind: 'readings',
    seriesIds,
    timesUs: new Float64Array(rows).fill(Math.round(nowMs() * 1_000)),
    values: new Float64Array(rows).fill(1),
    qualities: new Int16Array(rows),
  } as const;
}

async function start(settings: ServerSettings): Promise<Started> {
  const { kind, shape, seriesIds } = settings;
  if (kind === 'tailrace') return startTailrace(settings);
  if (kind === 'naive') return { token: '', ...(await startNaive(shape, seriesIds)) };
  const sets = Array.from({ length: shape.pattern === 'one' ? 1 : shape.subscribers }, (_, index) =>
    setOf(shape, index).map((at) => seriesIds[at]!),
  );
  return { token: '', ...(await startPublish(shape, seriesIds, sets)) };
}

function say(answer: ServerAnswer): void {
  if (process.connected) process.send?.(answer);
}

function account(collected: boolean): ServerAnswer {
  if (collected) globalThis.gc?.();
  // User and system time of all threads.
  const { user, system } = process.cpuUsage();
  return { kind: 'account', cpuS: (user + system) / 1e6, rssBytes: process.memoryUsage.rss() };
}

function fail(cause: unknown): never {
  process.stderr.write(`tail server: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
  process.exit(1);
}

async function main(settings: ServerSettings): Promise<void> {
  const { port, token, publish } = await start(settings);
  process.on('message', (request: ServerRequest) => {
    if (request.kind === 'account') say(account(request.collected));
    else pace(request.load, publish).then(() => say({ kind: 'load' }), fail);
  });
  process.once('disconnect', () => {
    void lifecycle.stop().finally(() => process.exit(0));
  });
  say({ kind: 'listening', port, token });
}

// As the program has it.
letHeapGrow();
process.once('message', (settings: ServerSettings) => {
  main(settings).catch(fail);
});
