// tailrace's query server as one of the servers of the tail cases. Records are appended to the feed in this process as the
// writer does after COMMIT: what is measured is the fan-out, neither the broker nor the database.
import { createRing, RING_LIMITS } from '../../lib/feed/ring.ts';
import type { Lifecycle } from '../../lib/lifecycle.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openDatabase } from '../../sql/connection.ts';
import { openCatalogue } from '../../store/catalogue.ts';
import { nowMs } from '../clock.ts';
import type { FanOut } from '../services/fan-out.ts';
import { startBenchServer } from '../services/query-server.ts';
import { type Shape, seriesOf } from './load.ts';
import type { ServerSettings } from './messages.ts';

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

export type Started = Omit<FanOut, 'publish'> & {
  readonly token: string;
  publish(kind: number): unknown;
};

/** Starts it over the settings' database. */
export async function startTailrace(
  settings: ServerSettings,
  lifecycle: Lifecycle,
): Promise<Started> {
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
