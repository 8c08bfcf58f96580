import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import mqtt from 'mqtt';
import { afterEach, expect, it } from 'vitest';
import { createLifecycle } from '../lib/lifecycle.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type Mosquitto, startMosquitto } from '../test/mosquitto.ts';
import { eventually, withDataDir } from '../test/program.ts';
import { claimClientId } from './client-id.ts';
import { startSource } from './run-subscription.ts';

const log = createLog('silent');
const TIMES = { graceMs: 600, lookEveryMs: 100, quietMs: 500 };
const THIRD = `tailrace-${hostname()}-3`;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Starts a member of the group that keeps what it takes in `taken`, and acknowledges it a little later. */
async function startMember(broker: Mosquitto, dataDir: string, taken: string[], times = TIMES) {
  const lifecycle = createLifecycle(log);
  ends.push(() => lifecycle.stop());
  const source = await startSource(
    {
      config: {
        MQTT_CLIENT_ID: undefined,
        MQTT_SHARE_GROUP: 'g',
        MQTT_SESSION_EXPIRY: undefined,
        DATA_DIR: dataDir,
        INGEST_IN_FLIGHT_BYTES_MAX: 1 << 20,
      },
      topicRules: { current: () => ({ filters: ['t/#', 'plant/+/x'] }), onChange: () => {} },
      ...{ log, metrics: createMetrics(), lifecycle },
    },
    broker.url,
    (message, acknowledge) => {
      void delay(2).then(() => {
        taken.push(Buffer.from(message.payload).toString());
        acknowledge();
      });
      return undefined;
    },
    times,
  );
  await source.ready;
  return lifecycle;
}

async function startPublisher(broker: Mosquitto) {
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  ends.push(() => client.endAsync(true));
  let sent = 0;
  return {
    async publish(count: number): Promise<void> {
      const all = Array.from({ length: count }, () =>
        client.publishAsync('t/acme/rig/x', String(sent++), { qos: 1 }),
      );
      await Promise.all(all);
    },
    sent: () => sent,
  };
}

/** Whether the broker has a session under the id: comes as one that takes it over, and leaves it as it is. */
async function hasSession(broker: Mosquitto, clientId: string): Promise<boolean> {
  const client = mqtt.connect(broker.url, {
    ...{ clientId, clean: false, protocolVersion: 5, reconnectPeriod: 0 },
    properties: { sessionExpiryInterval: 600 },
  });
  const present = await new Promise<boolean>((resolve) => {
    client.once('connect', ({ sessionPresent }) => resolve(sessionPresent));
  });
  await client.endAsync();
  return present;
}

it('works off the session of a member that does not come back, and ends it', async () => {
  await withDataDir(async (dataDir) => {
    const broker = await startMosquitto();
    ends.push(() => broker.remove());
    const publisher = await startPublisher(broker);
    const taken: string[] = [];
    const first = [];
    for (let i = 0; i < 3; i++) first.push(await startMember(broker, dataDir, taken));
    await publisher.publish(300);
    for (const member of first) await member.stop();
    // Nobody is there: every session gets a share.
    await publisher.publish(300);
    for (let i = 0; i < 2; i++) await startMember(broker, dataDir, taken);
    await publisher.publish(300);
    const missing = () => publisher.sent() - new Set(taken).size;
    await eventually(
      async () => missing(),
      (count) => count === 0,
    );
    expect(taken).toHaveLength(publisher.sent());
    // Given back when it has ended.
    const claims = { MQTT_CLIENT_ID: undefined, MQTT_SHARE_GROUP: 'g' };
    await eventually(
      async () => {
        const claim = await claimClientId(claims, broker.url);
        await claim.stop();
        return claim.clientId;
      },
      (clientId) => clientId === THIRD,
    );
    expect(await hasSession(broker, THIRD)).toBe(false);
    await publisher.publish(300);
    await eventually(
      async () => missing(),
      (count) => count === 0,
    );
    expect(taken).toHaveLength(publisher.sent());
  });
}, 60_000);

it('leaves a member that is restarted its session', async () => {
  await withDataDir(async (dataDir) => {
    const broker = await startMosquitto();
    ends.push(() => broker.remove());
    const publisher = await startPublisher(broker);
    const taken: string[] = [];
    const patient = { ...TIMES, graceMs: 60_000 };
    await startMember(broker, dataDir, taken, patient);
    await (await startMember(broker, dataDir, taken, patient)).stop();
    await publisher.publish(100);
    await eventually(
      async () => taken.length,
      (count) => count >= 50,
    );
    // Several looks find it free.
    await delay(500);
    expect(taken).toHaveLength(50);
    await startMember(broker, dataDir, taken, patient);
    await eventually(
      async () => new Set(taken).size,
      (count) => count === 100,
    );
    expect(taken).toHaveLength(100);
  });
}, 60_000);
