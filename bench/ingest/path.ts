// What ingest cases run on: mosquitto, a publishing process, one or two ingesting processes, the database, and the two
// ceilings, a bare COPY and a bare subscriber.
import { setTimeout as sleep } from 'node:timers/promises';
import { FLUSH_LIMITS } from '../../ingest/flush-rule.ts';
import type { BenchContext } from '../case.ts';
import { nowMs } from '../clock.ts';
import { type BareSubscriber, startBareSubscriber } from '../services/bare-subscriber.ts';
import { type Ingester, startIngester } from '../services/ingester.ts';
import { type Broker, startBroker } from '../services/mosquitto.ts';
import { type Publisher, startPublisher } from '../services/publisher.ts';
import { copyBatches, createSeries, encodeBatches, type Ground, prepareGround } from '../setup.ts';
import { distinctReadingsOf, durationMs, readingsOf, rowsOf, type Workload } from '../workload.ts';

export const SERIES = 1_000;
/** A thousand series at this interval make 200,000 readings a second: data time goes by about as fast as the clock. */
const STEP_MS = 5;
/** How far the refresher stays behind the clock: near, so that a run of seconds has rollups to maintain. */
const REFRESH_LAG_MS = 5_000;
const BARE_ROOT = 'b';
const SHARE_GROUP = 'bench';
const POLL_MS = 5;
const STALLED_MS = 120_000;

/** What one ingester takes alone, and what two of one group share: each of a tenant of its own. */
export type Route = 'one' | 'two';
const TENANTS = { one: 'bench', two: 'shared' } as const;
const ROOT = 't';

/** A workload without its place in time. */
export type Shape = Omit<Workload, 'series' | 'startMs' | 'stepMs'> &
  Partial<Pick<Workload, 'stepMs'>>;

export interface IngestPath {
  readonly ground: Ground;
  readonly broker: Broker;
  readonly publisher: Publisher;
  readonly bare: BareSubscriber;
  readonly seriesIds: Int32Array;
  /** Those that take a route. */
  ingesters(route: Route): readonly Ingester[];
  /** Gives the next workload of a shape: later times than all before, so that no row meets another. */
  next(shape: Shape): Workload;
}

/** Starts all of it, on a database of its own unless given. Rollups are maintained by the first ingester. */
export async function openPath(context: BenchContext, given?: Ground): Promise<IngestPath> {
  const { lifecycle } = context;
  const ground = given ?? (await prepareGround(context));
  const broker = lifecycle.add(await startBroker());
  const firstUs = Date.now() * 1000;
  const seriesIds = await createSeries(ground, SERIES, firstUs, TENANTS.one);
  await createSeries(ground, SERIES, firstUs, TENANTS.two);
  const start = async (clientId: string, settings: object) =>
    lifecycle.add(
      await startIngester({
        databaseUrl: ground.database.url,
        embedded: ground.database.embedded,
        brokerUrl: broker.url,
        clientId,
        ...{ filters: [], ...settings },
      }),
    );
  const alone = await start('bench-alone', {
    filters: [`${ROOT}/${TENANTS.one}/#`],
    refreshLagMs: REFRESH_LAG_MS,
  });
  const pair = [
    await start('bench-first', { filters: [`${ROOT}/${TENANTS.two}/#`], shareGroup: SHARE_GROUP }),
    await start('bench-second', { filters: [`${ROOT}/${TENANTS.two}/#`], shareGroup: SHARE_GROUP }),
  ];
  const publisher = lifecycle.add(await startPublisher(broker.port));
  const bare = lifecycle.add(await startBareSubscriber(broker.url, BARE_ROOT));
  let freeMs = 0;
  return {
    ground,
    broker,
    publisher,
    bare,
    seriesIds,
    ingesters: (route) => (route === 'one' ? [alone] : pair),
    next(shape) {
      const startMs = Math.max(Date.now(), freeMs);
      const workload: Workload = { stepMs: STEP_MS, ...shape, series: SERIES, startMs };
      freeMs = startMs + durationMs(workload);
      return workload;
    },
  };
}

export interface Ingested {
  /** Readings a second from the first publish to the last acknowledgement. */
  readonly rate: number;
  /** CPU seconds of the ingesting processes for a million readings. */
  readonly cpuSPerMillion: number;
  readonly rssPeakBytes: number;
  /** Publish to acknowledgement of each message, in ms; of paced runs through one ingester. */
  readonly latenciesMs: readonly number[];
}

/** Sends a workload through a route, and checks what became of it. */
export async function ingest(
  path: IngestPath,
  shape: Shape,
  { route = 'one', messagesPerS }: { route?: Route; messagesPerS?: number } = {},
): Promise<Ingested> {
  const workload = path.next(shape);
  const ingesters = path.ingesters(route);
  await path.publisher.prepare({ ...workload, tenant: TENANTS[route] }, ROOT);
  for (const ingester of ingesters) await ingester.begin();
  const before = await accountOf(ingesters);
  const startMs = nowMs();
  const [sentMs, lastMs] = await Promise.all([
    path.publisher.publish(messagesPerS),
    lastAcknowledgement(ingesters, workload.messages),
  ]);
  const after = await accountOf(ingesters);
  check(workload, (name) => after.readings(name) - before.readings(name));
  const times = sentMs.length === 0 ? [] : ((await ingesters[0]?.times()) ?? []);
  return {
    rate: (readingsOf(workload) * 1000) / (lastMs - startMs),
    cpuSPerMillion: ((after.cpuS - before.cpuS) * 1e6) / readingsOf(workload),
    rssPeakBytes: after.rssPeakBytes,
    latenciesMs: sentMs.map((sent, message) => (times[message] ?? Number.NaN) - sent),
  };
}

/** Resolves when all together have acknowledged so many; gives when the last was. */
async function lastAcknowledgement(
  ingesters: readonly Ingester[],
  messages: number,
): Promise<number> {
  const deadlineMs = performance.now() + STALLED_MS;
  while (performance.now() < deadlineMs) {
    const progress = await Promise.all(ingesters.map((one) => one.progress()));
    const acknowledged = progress.reduce((sum, one) => sum + one.acknowledged, 0);
    if (acknowledged >= messages) return Math.max(...progress.map(({ lastMs }) => lastMs));
    await sleep(POLL_MS);
  }
  throw new Error(`${messages} messages were not acknowledged within ${STALLED_MS} ms`);
}

async function accountOf(ingesters: readonly Ingester[]) {
  const accounts = await Promise.all(ingesters.map((one) => one.account()));
  const sum = (figures: readonly number[]) => figures.reduce((total, one) => total + one, 0);
  return {
    cpuS: sum(accounts.map(({ cpuS }) => cpuS)),
    rssPeakBytes: Math.max(...accounts.map(({ rssPeakBytes }) => rssPeakBytes)),
    readings: (outcome: string) =>
      sum(
        accounts.map(
          ({ metrics }) => metrics[`tailrace_ingest_readings_total{outcome="${outcome}"}`] ?? 0,
        ),
      ),
  };
}

/** A figure of a run that lost or doubled something is worth nothing. */
function check(workload: Workload, counted: (outcome: string) => number): void {
  const sent = readingsOf(workload);
  const distinct = distinctReadingsOf(workload);
  const inserted = counted('inserted');
  const duplicate = counted('duplicate');
  if (inserted === distinct && duplicate === sent - distinct) return;
  throw new Error(
    `${sent} readings were sent, ${distinct} of them distinct: ${inserted} were inserted, ${duplicate} duplicates`,
  );
}

/** Rows a second by COPY alone: sorted and encoded before the clock starts. */
export async function copyAll(path: IngestPath, shape: Shape): Promise<number> {
  const workload = path.next(shape);
  const batches = encodeBatches(rowsOf(workload), path.seriesIds, FLUSH_LIMITS.rowsMax);
  const startMs = performance.now();
  await copyBatches(path.ground.database, batches);
  return (readingsOf(workload) * 1000) / (performance.now() - startMs);
}

export interface Received {
  readonly rate: number;
  readonly cpuSPerMillion: number;
}

/** Messages a second that a subscriber takes that does nothing with them, and what it costs for a million readings. */
export async function receiveAll(path: IngestPath, shape: Shape): Promise<Received> {
  const workload = path.next(shape);
  await path.publisher.prepare(workload, BARE_ROOT);
  const startMs = performance.now();
  const before = process.cpuUsage();
  await Promise.all([path.bare.receive(workload.messages), path.publisher.publish()]);
  const { user, system } = process.cpuUsage(before);
  return {
    rate: (workload.messages * 1000) / (performance.now() - startMs),
    cpuSPerMillion: (user + system) / readingsOf(workload),
  };
}
