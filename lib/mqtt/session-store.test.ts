// What is kept for subscribers that are away, at a running broker.
import { once } from 'node:events';
import { connect } from 'node:net';
import mqtt, { type IConnackPacket, type MqttClient } from 'mqtt';
import { afterEach, expect, it, test } from 'vitest';
import { eventually } from '../../test/program.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { Publisher } from './broker-sessions.ts';
import { type EmbeddedBrokerOptions, startEmbeddedBroker } from './embedded-broker.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function start(options: Partial<EmbeddedBrokerOptions<Publisher>> = {}) {
  const metrics = createMetrics();
  const broker = await startEmbeddedBroker<Publisher>({
    ...{ host: '127.0.0.1', port: 0, metrics, log: createLog('silent'), clock: Date.now },
    handler: (_message, acknowledge) => {
      acknowledge();
      return undefined;
    },
    authenticate: async ({ username }) => ({ tenant: username }),
    authorizePublish: () => true,
    authorizeSubscribe: () => true,
    authorizeForward: () => true,
    drainMaxMs: 500,
    ...options,
  });
  cleanups.push(() => broker.stop());
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await metrics.exposition())?.[1]);
  return { url: broker.url, port: broker.port, metric };
}

interface Visit {
  readonly client: MqttClient;
  readonly sessionPresent: boolean;
  readonly received: string[];
  leave(): Promise<void>;
}

/** Connects a subscriber with a session that lasts. */
async function visit(url: string, options: mqtt.IClientOptions = {}): Promise<Visit> {
  const client = mqtt.connect(url, {
    ...{ clean: false, clientId: 'reader', username: 'acme', reconnectPeriod: 0, ...options },
  });
  const received: string[] = [];
  client.on('message', (_topic, payload) => received.push(payload.toString()));
  client.on('error', () => {});
  cleanups.push(() => client.endAsync(true));
  const connack = await new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
  return {
    ...{ client, received, sessionPresent: connack.sessionPresent },
    leave: () => client.endAsync(),
  };
}

async function publish(url: string, messages: readonly (readonly [string, string])[]) {
  const device = await mqtt.connectAsync(url, { username: 'acme', reconnectPeriod: 0 });
  for (const [topic, payload] of messages) await device.publishAsync(topic, payload, { qos: 1 });
  await device.endAsync();
}

const SIZE = 'tailrace_mqtt_broker_queued_bytes_size';
const LOST = 'tailrace_mqtt_queued_lost_total';
const holds = (count: number) => (received: readonly string[]) => received.length >= count;

it('nothing is kept for a filter that was refused beside one that was granted', async () => {
  const { url, metric } = await start({ authorizeSubscribe: (_, filter) => filter !== 't/no/#' });
  const first = await visit(url);
  const asked = ['t/no/#', 't/a/#', 't/b/#'].map((filter) => [filter, { qos: 1 }] as const);
  await first.client.subscribeAsync(Object.fromEntries(asked)).catch(() => {});
  await first.leave();
  await publish(url, [
    ['t/no/x', 'refused'],
    ['t/a/x', 'one'],
    ['t/b/x', 'two'],
  ]);
  const second = await visit(url);
  expect(second.sessionPresent).toBe(true);
  await eventually(async () => second.received, holds(2));
  expect(second.received).toEqual(['one', 'two']);
  await eventually(
    () => metric(SIZE),
    (bytes) => bytes === 0,
  );
});

it('nothing more is kept for a filter that is refused when its subscriber comes back', async () => {
  let may = true;
  const { url, metric } = await start({
    authorizeSubscribe: () => may,
    authorizeForward: () => may,
  });
  const first = await visit(url);
  await first.client.subscribeAsync('t/#', { qos: 1 });
  await first.leave();
  may = false;
  await publish(url, [['t/x', 'one']]);
  expect(await metric(SIZE)).toBeGreaterThan(0);
  const second = await visit(url);
  await second.leave();
  await eventually(
    () => metric(SIZE),
    (bytes) => bytes === 0,
  );
  await publish(url, [['t/x', 'two']]);
  expect(await metric(SIZE)).toBe(0);
});

test.each([
  ['messages', { messagesMax: 3 }],
  ['bytes', { bytesMax: 1_000 }],
  // A session has no more than is left for others.
  ['bytes in all', { allBytesMax: 2_000 }],
])('the oldest messages go where there are too many %s', async (_what, kept) => {
  const { url, metric } = await start({ kept });
  const first = await visit(url);
  await first.client.subscribeAsync(['t/+', 't/#'], { qos: 1 });
  await first.leave();
  // Some 300 bytes each.
  const payloads = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(100));
  await publish(
    url,
    payloads.map((payload) => ['t/x', payload] as const),
  );
  expect(await metric(LOST)).toBe(2);
  const second = await visit(url);
  await eventually(async () => second.received, holds(3));
  await eventually(
    () => metric(SIZE),
    (bytes) => bytes === 0,
  );
  expect(second.received).toEqual(payloads.slice(2));
});

it('a message that is larger than all that is kept reaches who is there', async () => {
  const { url, metric } = await start({ kept: { bytesMax: 1_000 } });
  const subscriber = await visit(url);
  await subscriber.client.subscribeAsync('t/#', { qos: 2 });
  await publish(url, [
    ['t/x', 'x'.repeat(2_000)],
    ['t/x', 'small'],
  ]);
  await eventually(async () => subscriber.received, holds(2));
  expect(subscriber.received[1]).toBe('small');
  expect(await metric(LOST)).toBe(1);
});

it.each([1, 2] as const)('messages at QoS %i come once, also over connections', async (qos) => {
  const { url, metric } = await start();
  const first = await visit(url);
  await first.client.subscribeAsync('t/#', { qos });
  const device = await mqtt.connectAsync(url, { username: 'acme', reconnectPeriod: 0 });
  const send = (from: number) =>
    Promise.all(
      Array.from({ length: 50 }, (_, i) => device.publishAsync('t/x', `${from + i}`, { qos })),
    );
  await send(0);
  await eventually(async () => first.received, holds(50));
  await first.leave();
  await send(50);
  const second = await visit(url);
  await eventually(async () => second.received, holds(50));
  await second.leave();
  await eventually(
    () => metric(SIZE),
    (bytes) => bytes === 0,
  );
  expect([...first.received, ...second.received].map(Number)).toEqual(
    Array.from({ length: 100 }, (_, i) => i),
  );
  await device.endAsync();
});

/** Comes, subscribes and goes. */
async function pass(url: string, clientId: string, username = 'acme'): Promise<boolean> {
  const { client, sessionPresent, leave } = await visit(url, { clientId, username });
  await client.subscribeAsync('t/#', { qos: 1 });
  await leave();
  return sessionPresent;
}

it('the session that was away for longest makes room for another, with what waits in it', async () => {
  const { url, metric } = await start({ clientsMax: 3 });
  const stays = await visit(url, { clientId: 'stays' });
  await stays.client.subscribeAsync('x/#', { qos: 1 });
  for (const clientId of ['a', 'b']) await pass(url, clientId);
  await publish(url, [['t/x', 'one']]);
  const perSession = (await metric(SIZE)) / 2;
  expect(await pass(url, 'a')).toBe(true);
  expect(await pass(url, 'c')).toBe(false);
  expect(await metric('tailrace_mqtt_sessions_forgotten_total')).toBe(1);
  expect(await metric('tailrace_mqtt_broker_sessions_size')).toBe(3);
  expect(await metric('tailrace_mqtt_broker_sessions_max')).toBe(3);
  expect(await metric(SIZE)).toBeLessThanOrEqual(perSession);
  expect(await pass(url, 'a')).toBe(true);
  expect(await pass(url, 'b')).toBe(false);
});

it('a tenant with many sessions makes room among its own', async () => {
  const { url } = await start({ clientsMax: 4 });
  await pass(url, 'quiet', 'zenith');
  for (let n = 0; n < 10; n++) await pass(url, `busy-${n}`);
  expect(await pass(url, 'quiet', 'zenith')).toBe(true);
});

it('a session that begins anew has nothing waiting', async () => {
  const { url, metric } = await start();
  await pass(url, 'reader');
  await publish(url, [['t/x', 'one']]);
  const anew = await visit(url, { clean: true });
  expect(await metric(SIZE)).toBe(0);
  expect(await metric('tailrace_mqtt_broker_sessions_size')).toBe(0);
  expect(anew.received).toEqual([]);
});

/** CONNECT without a clean session, and a PUBLISH at QoS 2 which is never released; resolves at its PUBREC. */
async function publishHalf(port: number, clientId: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.from([0x10, 13, 0, 4, ...Buffer.from('MQTT'), 4, 0, 0, 60, 0, 1]));
  socket.write(clientId);
  socket.write(Buffer.from([0x34, 8, 0, 3, ...Buffer.from('t/x'), 0, 1, 0x31]));
  let bytes = 0;
  while (bytes < 8) bytes += ((await once(socket, 'data')) as [Buffer])[0].length;
  socket.destroy();
  await once(socket, 'close');
}

it('a client that leaves messages at QoS 2 in the middle is a session, too', async () => {
  const { port, metric } = await start({ clientsMax: 2 });
  for (const clientId of ['a', 'b', 'c', 'd']) {
    await publishHalf(port, clientId);
    await eventually(
      () => metric('tailrace_mqtt_broker_clients_size'),
      (clients) => clients === 0,
    );
  }
  expect(await metric('tailrace_mqtt_broker_sessions_size')).toBe(2);
  expect(await metric('tailrace_mqtt_sessions_forgotten_total')).toBe(2);
});
