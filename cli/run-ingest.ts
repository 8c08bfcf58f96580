// The ingesting half of a process: writer, refresher, pipeline, and the source that feeds it.

import { createDeviceLogin, type Device } from '../ingest/device-login.ts';
import { watchDevices } from '../ingest/device-watch.ts';
import { flushLimits } from '../ingest/flush-rule.ts';
import { createReadingsQuota } from '../ingest/guards/readings-quota.ts';
import { createSeriesGuard } from '../ingest/guards/series-guard.ts';
import { createIngester, type Ingester } from '../ingest/ingester.ts';
import type { ReplayWorker } from '../ingest/replay.ts';
import { systemClock } from '../lib/clock.ts';
import { startEmbeddedBroker } from '../lib/mqtt/embedded-broker.ts';
import type { MessageHandler } from '../lib/mqtt/message.ts';
import type { PublishOwn } from '../lib/mqtt/own-publishing.ts';
import { claimFeedWriter } from '../store/feed-writer.ts';
import { startRefresher } from '../store/refresher.ts';
import { createWriter, type Writer } from '../store/writer.ts';
import type { Ground } from './ground.ts';
import { deadLetterKeeper, startDeadLetterWork } from './run-dead-letters.ts';
import { startSource } from './run-subscription.ts';

export interface IngestParts {
  readonly writer: Writer;
  /** Steps of a batch's way other than writing that fail at the moment, each with why; undefined where none does. */
  trouble(): string | undefined;
  /** Resolves with the cause when the process can ingest no more and has to end. */
  readonly failed: Promise<unknown>;
  /** Replays dead letters. */
  readonly replays: ReplayWorker;
  /** Whether messages can come in. */
  receiving(): boolean;
  /** Of the embedded broker. */
  readonly brokerUrl: string | undefined;
  /** Of the embedded broker. */
  readonly publish: PublishOwn | undefined;
}

/** Starts the half on its ground. The source comes last, so that nothing arrives before it can be taken. */
export async function startIngest(ground: Ground): Promise<IngestParts> {
  const { config, database, log, metrics, lifecycle, catalogue, feed, topicRules } = ground;
  const accountable = await beAccountable(ground);
  const { feedWriter } = accountable;
  const writer = createWriter({ database, log, metrics, lanes: writerLanes(ground), feedWriter });
  lifecycle.add({ name: 'writer', stop: () => writer.stop() });
  const families = config.ROLLUP_FAMILIES;
  lifecycle.add(startRefresher({ database, log, metrics, clock: systemClock, families }));
  const failing = new Map<string, string>();
  const trouble = () =>
    failing.size === 0
      ? undefined
      : [...failing].map(([step, why]) => `${step}: ${why}`).join('; ');
  const ingester = lifecycle.add(
    createIngester({
      onStep: (step, why) => (why === undefined ? failing.delete(step) : failing.set(step, why)),
      catalogue,
      writer,
      insertDeadLetters: deadLetterKeeper(ground, topicRules),
      topicRules,
      feed,
      metrics,
      log,
      clock: systemClock,
      ...pipelineLimits(ground),
    }),
  );
  accountable.watch(ingester);
  const { failed } = ingester;
  const replays = startDeadLetterWork(ground, ingester);
  if (config.MQTT_URL === undefined) {
    const broker = await startBroker(ground, ingester.handle);
    const { url: brokerUrl, publish } = broker;
    return { writer, trouble, failed, replays, receiving: () => true, brokerUrl, publish };
  }
  const subscription = await startSource(ground, config.MQTT_URL, ingester.handle);
  const receiving = () => subscription.subscribed();
  const ofBroker = { brokerUrl: undefined, publish: undefined };
  return { writer, trouble, failed, replays, receiving, ...ofBroker };
}

/** Sees to it that others know what this process has committed and not fed, where it should end in between. */
async function beAccountable({ database, feedGaps, lifecycle, log }: Ground) {
  let watched: Pick<Ingester, 'isThrough'> | undefined;
  const watch = (ingester: Pick<Ingester, 'isThrough'>) => {
    watched = ingester;
  };
  if (feedGaps === undefined) return { feedWriter: undefined, watch };
  const feedWriter = await claimFeedWriter(database, log);
  feedGaps.actAs(feedWriter.id);
  lifecycle.add({
    name: 'row of the feed',
    stop: () => feedWriter.stop(watched?.isThrough !== false && !feedGaps.owes),
  });
  return { feedWriter: feedWriter.id, watch };
}

/** Connections that write at once: the embedded engine has one session. */
export function writerLanes({
  config,
  database,
}: {
  readonly config: Ground['config'];
  readonly database: { readonly embedded: boolean };
}): number {
  return database.embedded ? 1 : config.INGEST_WRITERS;
}

/** What the configuration says of the pipeline's bounds and of its tenants'. */
export function pipelineLimits({
  config,
  database,
  catalogue,
  metrics,
}: Pick<Ground, 'config' | 'database' | 'catalogue' | 'metrics'>) {
  const clock = systemClock;
  const readingsPerS = config.LIMIT_TENANT_READINGS_PER_S;
  return {
    limits: flushLimits(database, {
      rowsMax: config.INGEST_BATCH_ROWS_MAX,
      ageMaxMs: config.INGEST_BATCH_AGE_MAX,
    }),
    bytesMax: config.INGEST_IN_FLIGHT_BYTES_MAX,
    admitSeries: createSeriesGuard({
      catalogue,
      seriesMax: config.LIMIT_TENANT_SERIES,
      newPerS: config.LIMIT_TENANT_NEW_SERIES_PER_S,
      newBurst: config.LIMIT_TENANT_NEW_SERIES_BURST,
      metrics,
      clock,
    }),
    ...(readingsPerS === undefined
      ? {}
      : { quota: createReadingsQuota({ readingsPerS, metrics, clock }) }),
  };
}

async function startBroker(ground: Ground, handler: MessageHandler) {
  const { config, log, metrics, lifecycle, policy, tokens, topicRules } = ground;
  log.info('MQTT_URL is unset: embedded broker');
  const { revocations } = tokens;
  const broker = lifecycle.add(
    await startEmbeddedBroker<Device>({
      host: config.MQTT_HOST,
      port: config.MQTT_PORT,
      handler,
      authenticate: createDeviceLogin({
        ...{ anonymous: config.MQTT_ANONYMOUS, tokens, policy, topicRules },
      }),
      authorizePublish: (device, topic) =>
        device.access === undefined || device.access.mayPublish(topic, systemClock()),
      authorizeSubscribe: (device, filter) =>
        device.access === undefined || device.access.maySubscribe(filter, systemClock()),
      authorizeForward: (device, topic) =>
        device.access === undefined || device.access.mayReceive(topic, systemClock()),
      bytesInFlightMax: config.INGEST_IN_FLIGHT_BYTES_MAX,
      metrics,
      log,
      clock: systemClock,
    }),
  );
  lifecycle.add(watchDevices({ broker, policy, revocations, clock: systemClock, log }));
  return broker;
}
