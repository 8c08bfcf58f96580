// The ingester of ingest cases, a process of its own, put together as the program does it: what it costs can be told
// from what the database and the measuring cost.
import { pipelineLimits, writerLanes } from '../cli/run-ingest.ts';
import { createIngester } from '../ingest/ingester.ts';
import { systemClock } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import { createRing, RING_LIMITS } from '../lib/feed/ring.ts';
import { createLifecycle } from '../lib/lifecycle.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { startSubscription } from '../lib/mqtt/subscription.ts';
import { openDatabase } from '../sql/connection.ts';
import { openCatalogue } from '../store/catalogue.ts';
import { insertDeadLetters } from '../store/dead-letters.ts';
import { startRefresher } from '../store/refresher.ts';
import { createWriter } from '../store/writer.ts';
import { nowMs } from './clock.ts';

export interface IngesterSettings {
  readonly databaseUrl: string;
  readonly embedded: boolean;
  readonly brokerUrl: string;
  readonly clientId: string;
  readonly shareGroup?: string;
  readonly filters: readonly string[];
  /** How far rollups stay behind the clock; none are maintained by this process without it. */
  readonly refreshLagMs?: number;
}

/** What the parent asks, each with one answer of the same kind. */
export type IngesterRequest =
  /** Forgets what was acknowledged so far. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'progress' }
  | { readonly kind: 'times' }
  | { readonly kind: 'account' };
export type IngesterAnswer =
  | { readonly kind: 'subscribed' | 'begin' }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** When each message was acknowledged, in ms since 1970, in the order of receipt. */
  | { readonly kind: 'times'; readonly times: readonly number[] }
  | { readonly kind: 'account'; readonly account: Account };

export interface Progress {
  /** Messages since `begin`. */
  readonly acknowledged: number;
  /** When the last of them was, in ms since 1970; 0 before the first. */
  readonly lastMs: number;
}

export interface Account {
  /** Of the whole process, since its start. */
  readonly cpuS: number;
  readonly rssPeakBytes: number;
  /** What the metrics say, by name and labels as they stand in the exposition. */
  readonly metrics: Readonly<Record<string, number>>;
}

function say(said: IngesterAnswer): void {
  if (process.connected) process.send?.(said);
}

/** The exposition as figures by name; comments are left out. */
function readMetrics(exposition: string): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const line of exposition.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (!line.startsWith('#') && space > 0)
      metrics[line.slice(0, space)] = Number(line.slice(space));
  }
  return metrics;
}

async function main(settings: IngesterSettings): Promise<void> {
  const log = createLog(process.env.LOG_LEVEL ?? 'warn');
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const clock = systemClock;
  const { databaseUrl, embedded } = settings;
  // Writers and limits as the environment says, with the program's defaults.
  const config = readConfig(process.env);
  const writers = writerLanes({ config, database: { embedded } });
  const database = lifecycle.add(await openDatabase({ url: databaseUrl, embedded, writers, log }));
  const feed = lifecycle.add(createRing({ ...RING_LIMITS, metrics, log }));
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  const writer = createWriter({ database, log, metrics, lanes: writers });
  lifecycle.add({ name: 'writer', stop: () => writer.stop() });
  const { refreshLagMs: lagMs } = settings;
  if (lagMs !== undefined) {
    lifecycle.add(startRefresher({ database, log, metrics, clock, lagMs }));
  }
  const ingester = lifecycle.add(
    createIngester({
      catalogue,
      writer,
      insertDeadLetters: (letters) => insertDeadLetters(database, letters),
      feed,
      metrics,
      log,
      clock,
      ...pipelineLimits({ config, database, catalogue, metrics }),
    }),
  );
  let times: number[] = [];
  const { brokerUrl: url, clientId, filters, shareGroup } = settings;
  const subscription = lifecycle.add(
    startSubscription({
      url,
      clientId,
      filters,
      ...(shareGroup === undefined ? {} : { shareGroup }),
      handler: (message, acknowledge) =>
        ingester.handle(message, () => {
          acknowledge();
          times.push(nowMs());
        }),
      bytesInFlightMax: config.INGEST_IN_FLIGHT_BYTES_MAX,
      metrics,
      log,
      clock,
    }),
  );
  process.on('message', ({ kind }: IngesterRequest) => {
    if (kind === 'account') void account();
    else if (kind === 'times') say({ kind, times });
    else if (kind === 'progress') {
      say({ kind, progress: { acknowledged: times.length, lastMs: times.at(-1) ?? 0 } });
    } else {
      times = [];
      say({ kind });
    }
  });
  async function account(): Promise<void> {
    const { user, system } = process.cpuUsage();
    const figures = {
      cpuS: (user + system) / 1e6,
      rssPeakBytes: process.resourceUsage().maxRSS * 1024,
      metrics: readMetrics(await metrics.exposition()),
    };
    say({ kind: 'account', account: figures });
  }
  process.once('disconnect', () => void lifecycle.stop());
  await subscription.ready;
  say({ kind: 'subscribed' });
}

main(JSON.parse(process.argv[2] ?? '{}')).catch((error: unknown) => {
  process.stderr.write(`bench ingester: ${String(error)}\n`);
  process.exit(1);
});
