import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { startMosquitto } from '../../test/mosquitto.ts';
import { startSilentDevice } from '../../test/silent-device.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { startEmbeddedBroker } from './embedded-broker.ts';
import type { InboundMessage } from './message.ts';
import { reconnectDelayMs, type SubscriptionOptions, startSubscription } from './subscription.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function owned<T>(value: T, clean: (value: T) => Promise<unknown>): T {
  cleanups.push(() => clean(value));
  return value;
}

/** A handler that keeps what it gets, with a way to wait for a number of messages. */
function recorder() {
  const messages: InboundMessage[] = [];
  const acknowledgements: (() => void)[] = [];
  let waiting: { count: number; resolve: () => void } | undefined;
  return {
    messages,
    acknowledgements,
    handler: (message: InboundMessage, acknowledge: () => void) => {
      messages.push(message);
      acknowledgements.push(acknowledge);
      if (waiting !== undefined && messages.length >= waiting.count) waiting.resolve();
      return undefined;
    },
    received(count: number): Promise<void> {
      if (messages.length >= count) return Promise.resolve();
      return new Promise((resolve) => {
        waiting = { count, resolve };
      });
    },
  };
}

function subscribe(
  options: Pick<SubscriptionOptions, 'url' | 'handler'> & Partial<SubscriptionOptions>,
) {
  return owned(
    startSubscription({
      clientId: 'tailrace-test',
      metrics: createMetrics(),
      log: createLog('silent'),
      clock: Date.now,
      ...options,
    }),
    (subscription) => subscription.stop(),
  );
}

async function publisher(url: string, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  return owned(await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options }), (client) =>
    client.endAsync(true),
  );
}

describe('a subscription at a real mosquitto', () => {
  it('takes messages of every QoS and hands over what MQTT 5 says of them', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const { handler, messages, acknowledgements, received } = recorder();
    await subscribe({ url: broker.url, handler }).ready;
    const client = await publisher(broker.url, { protocolVersion: 5 });
    await client.publishAsync('t/a/b/zero', '0', { qos: 0 });
    await client.publishAsync('t/a/b/one', '1', {
      qos: 1,
      properties: { contentType: 'application/json', userProperties: { at: ['1', '2'], by: 'x' } },
    });
    await client.publishAsync('t/a/b/two', '2', { qos: 2 });
    await received(3);
    expect(messages.map(({ topic, payload }) => [topic, payload.toString()])).toEqual([
      ['t/a/b/zero', '0'],
      ['t/a/b/one', '1'],
      ['t/a/b/two', '2'],
    ]);
    expect(messages[1]).toMatchObject({
      contentType: 'application/json',
      userProperties: { at: '2', by: 'x' },
    });
    const times = messages.map(({ receivedUs }) => receivedUs);
    expect(new Set(times).size).toBe(3);
    expect(Math.abs((times[0] ?? 0) - Date.now() * 1000)).toBeLessThan(60e6);
    for (const acknowledge of acknowledgements) acknowledge();
  });

  it('gets again, flagged DUP and in order, what it did not acknowledge, and nothing else', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const first = recorder();
    const subscription = subscribe({ url: broker.url, handler: first.handler, drainMaxMs: 0 });
    await subscription.ready;
    const client = await publisher(broker.url);
    for (let i = 0; i < 10; i++) await client.publishAsync('t/a/b/c', `${i}`, { qos: 1 });
    await first.received(10);
    // 0, 1 and 2 in any order, and 4, which has to wait for 3.
    for (const i of [2, 0, 1, 4]) first.acknowledgements[i]?.();
    await subscription.stop();

    const second = recorder();
    await subscribe({ url: broker.url, handler: second.handler }).ready;
    await second.received(7);
    expect(second.messages.map(({ payload }) => payload.toString())).toEqual([
      ...['3', '4', '5', '6', '7', '8', '9'],
    ]);
    expect(second.messages.every(({ dup }) => dup)).toBe(true);
    for (const acknowledge of second.acknowledgements) acknowledge();
  });

  it('comes back by itself when the broker restarts, and misses nothing meanwhile', async () => {
    const broker = owned(await startMosquitto({ persistence: true }), (b) => b.remove());
    const { handler, messages, acknowledgements, received } = recorder();
    const subscription = subscribe({ url: broker.url, handler });
    await subscription.ready;
    const before = await publisher(broker.url);
    await before.publishAsync('t/a/b/c', 'before', { qos: 1 });
    await received(1);
    await broker.stop();
    expect(subscription.subscribed()).toBe(false);
    // An acknowledgement of a connection that is gone must not reach the next one, which uses its ids again.
    acknowledgements[0]?.();
    await broker.start();
    const after = await publisher(broker.url);
    await after.publishAsync('t/a/b/c', 'after', { qos: 1 });
    await received(3);
    expect(messages.map(({ payload, dup }) => [payload.toString(), dup])).toEqual([
      ['before', false],
      ['before', true],
      ['after', false],
    ]);
    for (const acknowledge of acknowledgements) acknowledge();
  });

  it('authenticates with the credentials of its URL, and keeps trying where they are refused', async () => {
    const credentials = { username: 'rig 7', password: 'p@ss:word/%' };
    const broker = owned(await startMosquitto({ credentials }), (b) => b.remove());
    const url = new URL(broker.url);
    url.username = encodeURIComponent(credentials.username);
    url.password = encodeURIComponent(credentials.password);
    await subscribe({ url: url.toString(), handler: () => undefined }).ready;
    const refused = subscribe({ url: broker.url, clientId: 'other', handler: () => undefined });
    await refused.stop();
    expect(refused.subscribed()).toBe(false);
  });

  it('shares the messages of a group among its members', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const members = [recorder(), recorder()];
    for (const [i, member] of members.entries()) {
      await subscribe({
        url: broker.url,
        clientId: `member-${i}`,
        shareGroup: 'g',
        handler: (message, acknowledge) => {
          acknowledge();
          return member.handler(message, acknowledge);
        },
      }).ready;
    }
    const client = await publisher(broker.url);
    for (let i = 0; i < 20; i++) await client.publishAsync('t/a/b/c', `${i}`, { qos: 1 });
    await Promise.all(members.map((member) => member.received(10)));
    const all = members.flatMap(({ messages }) => messages.map(({ payload }) => `${payload}`));
    expect(all.sort()).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`).sort());
  });

  it('reads no more than is allowed to be in flight', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const { handler, messages, acknowledgements, received } = recorder();
    const subscription = subscribe({ url: broker.url, handler, messagesInFlightMax: 5 });
    await subscription.ready;
    const client = await publisher(broker.url);
    for (let i = 0; i < 20; i++) await client.publishAsync('t/a/b/c', `${i}`, { qos: 1 });
    await received(5);
    for (let i = 0; i < 20; i++) {
      expect(messages.length).toBeLessThanOrEqual(i + 5);
      acknowledgements[i]?.();
      await received(Math.min(20, i + 6));
    }
    expect(messages).toHaveLength(20);
  });

  it('lives on while a handler holds up reading for longer than the keepalive', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { handler, messages, received } = recorder();
    const subscription = subscribe({
      url: broker.url,
      keepaliveS: 1,
      handler: (message, acknowledge) => {
        handler(message, acknowledge);
        acknowledge();
        return messages.length === 1 ? held : undefined;
      },
    });
    await subscription.ready;
    const client = await publisher(broker.url);
    await client.publishAsync('t/a/b/c', '0', { qos: 1 });
    await received(1);
    await client.publishAsync('t/a/b/c', '1', { qos: 1 });
    // A broker closes after one and a half keepalives without a sign of life: this one's is twice as long.
    const silent = owned(await startSilentDevice(broker.port, 2), async (device) => device.end());
    await silent.closed;
    expect(subscription.subscribed()).toBe(true);
    goOn();
    await received(2);
    expect(messages.map(({ dup }) => dup)).toEqual([false, false]);
  });
});

describe('filters of a subscription', () => {
  const filters = ['a/#', 'b/+'];

  /** Publishes to each topic in turn, and gives the topics that came. */
  async function topicsHeard(url: string, topics: readonly string[], heard: InboundMessage[]) {
    const client = await publisher(url);
    const from = heard.length;
    // What the last one says came after all the others.
    for (const topic of [...topics, 'always']) await client.publishAsync(topic, '1', { qos: 1 });
    while (heard.at(-1)?.topic !== 'always' || heard.length === from) await setTimeout(5);
    return heard.slice(from, -1).map(({ topic }) => topic);
  }

  /** A handler that acknowledges at once. */
  function listener() {
    const heard: InboundMessage[] = [];
    const handler: SubscriptionOptions['handler'] = (message, acknowledge) => {
      heard.push(message);
      acknowledge();
      return undefined;
    };
    return { heard, handler };
  }

  it.each([{ shareGroup: 'g' }, {}])('change without a reconnection %j', async (group) => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const { heard, handler } = listener();
    const subscription = subscribe({
      ...{ url: broker.url, handler, filters: [...filters, 'always'] },
      ...group,
    });
    await subscription.ready;
    const topics = ['a/1', 'b/1', 'c/1'];
    expect(await topicsHeard(broker.url, topics, heard)).toEqual(['a/1', 'b/1']);
    subscription.setFilters(['b/+', 'c/+', 'd/+', 'always']);
    subscription.setFilters(['b/+', 'c/+', 'always']);
    await expect
      .poll(() => topicsHeard(broker.url, topics, heard), { timeout: 20_000 })
      .toEqual(['b/1', 'c/1']);
    expect(subscription.subscribed()).toBe(true);
  });

  it('are those of now, also where the session had others before this process', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    let kept: readonly string[] = [];
    const filterMemory = {
      load: () => kept,
      save(some: readonly string[]) {
        kept = some;
      },
    };
    const first = listener();
    const before = { url: broker.url, filterMemory, filters, shareGroup: 'g' };
    const earlier = subscribe({ ...before, handler: first.handler });
    await earlier.ready;
    await earlier.stop();
    expect(kept).toEqual(['$share/g/a/#', '$share/g/b/+']);
    const { heard, handler } = listener();
    const now = { url: broker.url, filterMemory, filters: ['b/+', 'c/+', 'always'], handler };
    await subscribe(now).ready;
    await expect
      .poll(() => topicsHeard(broker.url, ['a/1', 'b/1', 'c/1'], heard), { timeout: 20_000 })
      .toEqual(['b/1', 'c/1']);
    expect(kept).toEqual(['b/+', 'c/+', 'always']);
  });

  it('that the broker refuses keep the others from nothing, and are said to be missing', async () => {
    const broker = await startEmbeddedBroker({
      ...{ host: '127.0.0.1', port: 0, metrics: createMetrics(), log: createLog('silent') },
      clock: Date.now,
      handler: (_, acknowledge) => void acknowledge(),
      authenticate: async () => ({ tenant: undefined }),
      authorizePublish: () => true,
      authorizeSubscribe: (_, filter) => filter !== 'b/#',
      authorizeForward: () => true,
    });
    owned(broker, (b) => b.stop());
    const { heard, handler } = listener();
    const subscription = subscribe({ url: broker.url, handler, filters: ['a/#', 'b/#', 'always'] });
    await subscription.ready;
    expect(await topicsHeard(broker.url, ['a/1', 'b/1'], heard)).toEqual(['a/1']);
    expect(subscription.subscribed()).toBe(false);
    subscription.setFilters(['a/#', 'always']);
    await expect.poll(() => subscription.subscribed()).toBe(true);
  });

  it('may be thousands', async () => {
    const broker = owned(await startMosquitto(), (b) => b.remove());
    const { heard, handler } = listener();
    const many = Array.from({ length: 5_000 }, (_, i) => `plants/p${i}/+`);
    await subscribe({ url: broker.url, handler, filters: [...many, 'always'] }).ready;
    const topics = ['plants/p0/a', 'plants/p4999/a'];
    expect(await topicsHeard(broker.url, topics, heard)).toEqual(topics);
  });
});

it('says that another client took the session, where the broker does', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => {});
    socket.on('data', (packet) => {
      if (packet[0] === 0x10) socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
      if (packet[0] !== 0x82) return;
      const [, , high = 0, low = 0] = packet;
      socket.end(Buffer.from([0x90, 4, high, low, 0, 1, 0xe0, 2, 142, 0]));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  owned(server, (s) => new Promise((resolve) => s.close(resolve)));
  const reasons: string[] = [];
  const log = createLog('silent');
  log.warn = ({ reason }: { reason: string }) => void reasons.push(reason);
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await subscribe({ url, handler: () => undefined, log }).ready;
  await expect
    .poll(() => reasons)
    .toEqual([expect.stringContaining('a MQTT_CLIENT_ID of its own')]);
  expect(connections).toBe(1);
});

it('waits longer and longer between reconnections, up to five seconds', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const delay = reconnectDelayMs(attempt, random);
      expect(delay).toBeGreaterThanOrEqual(50);
      expect(delay).toBeLessThanOrEqual(5_000);
    }),
  );
  expect([0, 1, 2, 9].map((attempt) => reconnectDelayMs(attempt, 1))).toEqual([
    100, 200, 400, 5_000,
  ]);
});
