import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { startSilentDevice } from '../../test/silent-device.ts';
import { createLog } from '../log.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import type { Publisher } from './broker-sessions.ts';
import { type EmbeddedBrokerOptions, startEmbeddedBroker } from './embedded-broker.ts';
import type { InboundMessage } from './message.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function next(emitter: MqttClient, event: 'close' | 'message'): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.once(event, (...args: unknown[]) => resolve(args));
  });
}

async function start(options: Partial<EmbeddedBrokerOptions<Publisher>>) {
  const metrics: Metrics = createMetrics();
  const broker = await startEmbeddedBroker<Publisher>({
    host: '127.0.0.1',
    port: 0,
    handler: (_message, acknowledge) => {
      acknowledge();
      return undefined;
    },
    authenticate: async () => ({ tenant: 'acme' }),
    authorizePublish: () => true,
    authorizeSubscribe: () => true,
    authorizeForward: () => true,
    metrics,
    log: createLog('silent'),
    clock: Date.now,
    drainMaxMs: 500,
    ...options,
  });
  cleanups.push(() => broker.stop());
  return { ...broker, metrics };
}

async function client(url: string, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const connected = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
  connected.on('error', () => {});
  cleanups.push(() => connected.endAsync(true));
  return connected;
}

/** A connection that speaks bytes, for what no client library sends. */
async function raw(
  port: number,
  ...packets: Uint8Array[]
): Promise<{ socket: Socket; closed: Promise<Buffer> }> {
  const socket = connect(port, '127.0.0.1');
  cleanups.push(async () => socket.destroy());
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const closed = once(socket, 'close').then(() => Buffer.concat(chunks));
  await once(socket, 'connect');
  for (const packet of packets) socket.write(packet);
  return { socket, closed };
}

const CONNECT = Buffer.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x61]);
const CONNECT_5 = Buffer.from([0x10, 14, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 60, 0, 0, 1, 0x61]);
const CONNACK = [0x20, 2, 0, 0];

/** A QoS 1 PUBLISH whose body is shorter than 128 bytes. */
function publishPacket(messageId: number, topic: string, payload: string): Buffer {
  const name = Buffer.from(topic);
  const body = Buffer.concat([
    Buffer.from([name.length >> 8, name.length & 255]),
    name,
    Buffer.from([messageId >> 8, messageId & 255]),
    Buffer.from(payload),
  ]);
  return Buffer.concat([Buffer.from([0x32, body.length]), body]);
}

describe('the embedded broker', () => {
  it.each([0, 1, 2] as const)(
    'takes a publish at QoS %i, and forwards it when it is acknowledged',
    async (qos) => {
      const taken: InboundMessage[] = [];
      let acknowledge = () => {};
      let announce = () => {};
      const handedOver = new Promise<void>((resolve) => {
        announce = resolve;
      });
      const broker = await start({
        handler: (message, ack) => {
          taken.push(message);
          acknowledge = ack;
          announce();
          return undefined;
        },
      });
      const subscriber = await client(broker.url);
      await subscriber.subscribeAsync('t/#', { qos: 1 });
      const forwarded = next(subscriber, 'message');
      const device = await client(broker.url, { clientId: 'device' });
      const published = device.publishAsync('t/acme/rig/x', '42', { qos });
      await handedOver;
      expect(taken[0]).toMatchObject({
        topic: 't/acme/rig/x',
        dup: false,
        publisher: { clientId: 'device', tenant: 'acme' },
      });
      acknowledge();
      await published;
      expect(String((await forwarded)[1])).toBe('42');
    },
  );

  it.each([
    ['as they came', [0, 1, 2]],
    ['in another order, as batches of several tenants are', [2, 0, 1]],
  ])(
    'sends PUBACKs after acknowledgements, in receipt order, where those are given %s',
    async (_how, order) => {
      const acknowledgements: (() => void)[] = [];
      let full = () => {};
      const three = new Promise<void>((resolve) => {
        full = resolve;
      });
      const broker = await start({
        handler: (_message, acknowledge) => {
          if (acknowledgements.push(acknowledge) === 3) full();
          return undefined;
        },
      });
      const { socket } = await raw(
        broker.port,
        CONNECT,
        ...[1, 2, 3].map((id) => publishPacket(id, 't/a/b/c', '1')),
      );
      await three;
      const received: number[] = [];
      socket.on('data', (chunk: Buffer) => received.push(...chunk));
      for (const i of order) acknowledgements[i]?.();
      while (received.length < 12) await once(socket, 'data');
      const pubacks = received.slice(received.indexOf(0x40));
      expect(pubacks).toEqual([0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3]);
    },
  );

  it.each([
    ['a topic that is not allowed', 't/other/rig/x'],
    ["the broker's own topics", '$SYS/broker/clients'],
    ['a topic with a wildcard', 't/a/+/c'],
  ])('closes the connection without a PUBACK on %s', async (_what, topic) => {
    let handled = 0;
    const broker = await start({
      authorizePublish: (_publisher, name) => !name.startsWith('t/other/'),
      handler: (_message, acknowledge) => {
        handled++;
        acknowledge();
        return undefined;
      },
    });
    const device = await client(broker.url);
    let acknowledged = false;
    device.publish(topic, '1', { qos: 1 }, (error) => {
      acknowledged ||= error === undefined || error === null;
    });
    await next(device, 'close');
    expect([handled, acknowledged]).toEqual([0, false]);
    const another = await client(broker.url);
    await another.publishAsync('t/acme/rig/x', '1', { qos: 1 });
    expect(handled).toBe(1);
  });

  it('refuses bad credentials with CONNACK 4, and tells the caller where a client is', async () => {
    const seen: unknown[] = [];
    const broker = await start({
      authenticate: async (credentials) => {
        seen.push(credentials);
        return credentials.password === 'good' ? { tenant: 'acme' } : { refused: 'token_invalid' };
      },
    });
    await expect(
      client(broker.url, { clientId: 'rig', username: 'any', password: 'bad' }),
    ).rejects.toMatchObject({ code: 4 });
    await client(broker.url, { clientId: 'rig', username: 'any', password: 'good' });
    expect(seen).toEqual([
      { clientId: 'rig', username: 'any', password: 'bad', loopback: true },
      { clientId: 'rig', username: 'any', password: 'good', loopback: true },
    ]);
    expect(await broker.metrics.exposition()).toContain(
      'tailrace_mqtt_refused_total{reason="connect"} 1',
    );
  });

  it('answers MQTT 5 with CONNACK 1', async () => {
    const broker = await start({});
    const { closed } = await raw(broker.port, CONNECT_5);
    expect([...(await closed)]).toEqual([0x20, 2, 0, 1]);
  });

  it('refuses a subscription with 128', async () => {
    const broker = await start({ authorizeSubscribe: (_publisher, filter) => filter === 't/a/#' });
    const subscriber = await client(broker.url);
    const granted = await subscriber.subscribeAsync('t/a/#', { qos: 1 });
    expect(granted[0]?.qos).toBe(1);
    await expect(subscriber.subscribeAsync('#')).rejects.toMatchObject({
      packet: { granted: [128] },
    });
  });

  it.each([
    [
      'a packet larger than allowed',
      Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]),
      'packet_too_large',
    ],
    ['a length that never ends', Buffer.from([0x32, 255, 255, 255, 255, 255]), 'malformed_length'],
  ])('closes on %s, counts it, and lives on', async (_what, packet, reason) => {
    const broker = await start({});
    const { closed } = await raw(broker.port, CONNECT, packet);
    await closed;
    expect(await broker.metrics.exposition()).toContain(
      `tailrace_mqtt_refused_total{reason="${reason}"} 1`,
    );
    const device = await client(broker.url);
    await device.publishAsync('t/a/b/c', '1', { qos: 1 });
  });

  it.each([
    ['no MQTT at all', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a publish without CONNECT', publishPacket(1, 't/a/b/c', '1')],
    ['a second CONNECT', Buffer.concat([CONNECT, CONNECT])],
    ['a reserved packet type', Buffer.concat([CONNECT, Buffer.from([0x00, 0x00])])],
  ])('closes on %s and lives on', async (_what, packet) => {
    const broker = await start({});
    const { closed } = await raw(broker.port, packet);
    await closed;
    const device = await client(broker.url);
    await device.publishAsync('t/a/b/c', '1', { qos: 1 });
  });

  it('reads from a device only as much as may be in flight, and goes on when it is settled', async () => {
    const acknowledgements: (() => void)[] = [];
    let most = 0;
    let inFlight = 0;
    const broker = await start({
      messagesInFlightMax: 10,
      handler: (_message, acknowledge) => {
        inFlight++;
        most = Math.max(most, inFlight);
        acknowledgements.push(() => {
          inFlight--;
          acknowledge();
        });
        setImmediate(() => acknowledgements.shift()?.());
        return undefined;
      },
    });
    const device = await client(broker.url);
    // 1,000 bytes each: what one read of the socket may hold beyond the bound is a few dozen.
    const payload = 'x'.repeat(1_000);
    await Promise.all(
      Array.from({ length: 2_000 }, () => device.publishAsync('t/a/b/c', payload, { qos: 1 })),
    );
    expect(most).toBeLessThan(200);
    expect(inFlight).toBe(0);
  });

  it('waits while the handler asks to wait, longer than the keepalive, without closing', async () => {
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let handled = 0;
    const broker = await start({
      handler: (_message, acknowledge) => {
        handled++;
        acknowledge();
        return handled === 1 ? held : undefined;
      },
    });
    // Keepalive of one second.
    const packet = Buffer.from(CONNECT);
    packet[11] = 1;
    const { socket, closed } = await raw(broker.port, packet, publishPacket(1, 't/a/b/c', '1'));
    while (handled === 0) await once(socket, 'data');
    // One that came later and is as silent is closed meanwhile.
    const other = await startSilentDevice(broker.port, 1);
    await other.closed;
    expect(socket.closed).toBe(false);
    goOn();
    socket.write(publishPacket(2, 't/a/b/c', '2'));
    while (handled < 2) await once(socket, 'data');
    // Nobody holds anything up now, so silence is silence.
    await closed;
  });

  it('takes what a device sends before it has its CONNACK', async () => {
    let handled = 0;
    const broker = await start({
      handler: (_message, acknowledge) => {
        handled++;
        acknowledge();
        return undefined;
      },
    });
    const packets = Array.from({ length: 500 }, (_, i) => publishPacket(i + 1, 't/a/b/c', '1'));
    const { socket } = await raw(broker.port, Buffer.concat([CONNECT, ...packets]));
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    while (bytes < CONNACK.length + 500 * 4) await once(socket, 'data');
    expect(handled).toBe(500);
  });

  it('publishes the will of a device that is gone', async () => {
    const topics: string[] = [];
    const broker = await start({
      handler: (message, acknowledge) => {
        topics.push(message.topic);
        acknowledge();
        return undefined;
      },
    });
    const watcher = await client(broker.url);
    await watcher.subscribeAsync('t/#');
    const device = await client(broker.url, {
      will: { topic: 't/acme/rig/online', payload: Buffer.from('false'), qos: 1, retain: false },
    });
    device.stream.destroy();
    await next(watcher, 'message');
    expect(topics).toEqual(['t/acme/rig/online']);
  });

  it('stops twice, sending the acknowledgements of what it had read', async () => {
    let acknowledge = () => {};
    let taken = () => {};
    const taking = new Promise<void>((resolve) => {
      taken = resolve;
    });
    const broker = await start({
      drainMaxMs: 10_000,
      handler: (_message, ack) => {
        acknowledge = ack;
        taken();
        return undefined;
      },
    });
    const device = await client(broker.url);
    const published = device.publishAsync('t/a/b/c', '1', { qos: 1 });
    await taking;
    const stopped = [broker.stop(), broker.stop()];
    acknowledge();
    await published;
    await Promise.all(stopped);
    await expect(client(broker.url)).rejects.toThrow();
  });

  it('says which address it cannot have', async () => {
    const broker = await start({});
    await expect(start({ port: broker.port })).rejects.toMatchObject({
      code: 'mqtt_listen_failed',
      message: expect.stringContaining('MQTT_PORT'),
    });
  });
});
