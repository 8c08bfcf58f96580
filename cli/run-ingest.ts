// The ingesting half of a process: writer, refresher, pipeline, and the source that feeds it.

import { createDeviceLogin, type Device } from '../ingest/device-login.ts';
import { watchDevices } from '../ingest/device-watch.ts';
import { flushLimits } from '../ingest/flush-rule.ts';
import { createIngester } from '../ingest/ingester.ts';
import type { ReplayWorker } from '../ingest/replay.ts';
import { DEFAULT_RULES, fixedRules } from '../ingest/topics/rules.ts';
import { systemClock } from '../lib/clock.ts';
import { startEmbeddedBroker } from '../lib/mqtt/embedded-broker.ts';
import type { MessageHandler } from '../lib/mqtt/message.ts';
import type { PublishOwn } from '../lib/mqtt/own-publishing.ts';
import { startSubscription } from '../lib/mqtt/subscription.ts';
import { startRefresher } from '../store/refresher.ts';
import { createWriter, type Writer } from '../store/writer.ts';
import type { Ground } from './ground.ts';
import { deadLetterKeeper, startDeadLetterWork } from './run-dead-letters.ts';

export interface IngestParts {
  readonly writer: Writer;
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
  const { config, database, log, metrics, lifecycle, catalogue, feed } = ground;
  const lanes = database.embedded ? 1 : config.INGEST_WRITERS;
  const writer = createWriter({ database, log, metrics, lanes });
  lifecycle.add({ name: 'writer', stop: () => writer.stop() });
  lifecycle.add(startRefresher({ database, log, metrics, clock: systemClock }));
  const topicRules = fixedRules(DEFAULT_RULES);
  const ingester = lifecycle.add(
    createIngester({
      catalogue,
      writer,
      insertDeadLetters: deadLetterKeeper(ground, topicRules),
      topicRules,
      feed,
      metrics,
      log,
      clock: systemClock,
      limits: flushLimits(database),
    }),
  );
  const replays = startDeadLetterWork(ground, ingester);
  if (config.MQTT_URL === undefined) {
    const broker = await startBroker(ground, ingester.handle);
    const { url: brokerUrl, publish } = broker;
    return { writer, replays, receiving: () => true, brokerUrl, publish };
  }
  const shareGroup = config.MQTT_SHARE_GROUP;
  const subscription = lifecycle.add(
    startSubscription({
      url: config.MQTT_URL,
      clientId: config.MQTT_CLIENT_ID,
      ...(shareGroup === undefined ? {} : { shareGroup }),
      handler: ingester.handle,
      metrics,
      log,
      clock: systemClock,
    }),
  );
  const receiving = () => subscription.subscribed();
  return { writer, replays, receiving, brokerUrl: undefined, publish: undefined };
}

async function startBroker(ground: Ground, handler: MessageHandler) {
  const { config, log, metrics, lifecycle, policy, tokens } = ground;
  log.info('MQTT_URL is unset: embedded broker');
  const { revocations } = tokens;
  const broker = lifecycle.add(
    await startEmbeddedBroker<Device>({
      host: config.MQTT_HOST,
      port: config.MQTT_PORT,
      handler,
      authenticate: createDeviceLogin({ anonymous: config.MQTT_ANONYMOUS, tokens, policy }),
      authorizePublish: (device, topic) =>
        device.access === undefined || device.access.mayPublish(topic, systemClock()),
      authorizeSubscribe: (device, filter) =>
        device.access === undefined || device.access.maySubscribe(filter, systemClock()),
      authorizeForward: (device, topic) =>
        device.access === undefined || device.access.mayReceive(topic, systemClock()),
      metrics,
      log,
      clock: systemClock,
    }),
  );
  lifecycle.add(watchDevices({ broker, policy, revocations, clock: systemClock, log }));
  return broker;
}
