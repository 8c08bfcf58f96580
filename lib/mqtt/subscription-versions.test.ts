// Which version of MQTT a subscription speaks, with brokers and ways to them that refuse one in words or in silence.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import mqtt from 'mqtt';
import { afterEach, expect, it } from 'vitest';
import { startMosquitto } from '../../test/mosquitto.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { InboundMessage } from './message.ts';
import { startSubscription } from './subscription.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Subscribes; keeps what comes, and what is warned of. */
function subscribe(url: string) {
  const messages: InboundMessage[] = [];
  const warnings: string[] = [];
  const log = createLog('silent');
  log.warn = (_: unknown, message?: string) => void warnings.push(message ?? '');
  const subscription = startSubscription({
    ...{ url, clientId: 'tailrace-test', metrics: createMetrics(), log, clock: Date.now },
    handler: (message, acknowledge) => {
      messages.push(message);
      acknowledge();
      return undefined;
    },
  });
  cleanups.push(() => subscription.stop());
  return { subscription, messages, warnings };
}

/** Serves connections on a port of its own. */
async function serve(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  cleanups.push(async () => {
    cut();
    server.close();
    await once(server, 'close');
  });
  return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}

/** Answers CONNECT and SUBSCRIBE as a broker of 3.1.1 does: by the bytes. */
async function oldBroker(refuseFive: 'with code 1' | 'by closing') {
  const versions: number[] = [];
  const { url } = await serve((socket) =>
    socket.on('data', (packet) => {
      if (packet[0] === 0x10) {
        const version = packet[8] as number;
        versions.push(version);
        if (version === 4) socket.write(Buffer.from([0x20, 2, 0, 0]));
        else if (refuseFive === 'by closing') socket.destroy();
        else socket.end(Buffer.from([0x20, 2, 0, 1]));
      } else if (packet[0] === 0x82) {
        socket.write(Buffer.from([0x90, 3, packet[2] as number, packet[3] as number, 1]));
      } else if (packet[0] === 0xe0) socket.end();
    }),
  );
  return { url, versions };
}

/** A way to a broker that closes so many of the next connections at once, as a proxy does whose broker is away. */
async function unsteadyWay(port: number) {
  let toClose = 0;
  let closed = 0;
  const way = await serve((socket) => {
    if (toClose > 0) {
      toClose--;
      closed++;
      socket.resume().end();
      return;
    }
    const onward = connect(port, '127.0.0.1');
    onward.on('error', () => {});
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  return {
    ...way,
    closeNext(count: number) {
      toClose = count;
    },
    closed: () => closed,
  };
}

it('falls back to MQTT 3.1.1 when 5 is refused with code 1', async () => {
  const { url, versions } = await oldBroker('with code 1');
  await subscribe(url).subscription.ready;
  expect(versions).toEqual([5, 4]);
});

it('falls back when 5 is answered by closing again and again, and says so', async () => {
  const { url, versions } = await oldBroker('by closing');
  const { subscription, warnings } = subscribe(url);
  await subscription.ready;
  expect(versions).toEqual([5, 5, 5, 4]);
  expect(warnings).toContainEqual(expect.stringContaining('trying 3.1.1 once'));
});

it('goes on with MQTT 5 after connections that closed without a word', async () => {
  const broker = await startMosquitto();
  cleanups.push(() => broker.remove());
  const way = await unsteadyWay(broker.port);
  way.closeNext(1);
  const { subscription, messages, warnings } = subscribe(way.url);
  await subscription.ready;
  // Once 5 has worked, no silence is taken for a broker that does not speak it.
  way.closeNext(3);
  way.cut();
  await expect.poll(() => way.closed(), { timeout: 20_000 }).toBe(4);
  await expect.poll(() => subscription.subscribed(), { timeout: 20_000 }).toBe(true);
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  cleanups.push(() => client.endAsync(true));
  const properties = { contentType: 'text/csv', userProperties: { by: 'x' } };
  await client.publishAsync('t/a/b/c', '1', { qos: 1, properties });
  await expect.poll(() => messages).toMatchObject([properties]);
  expect(warnings).not.toContainEqual(expect.stringContaining('3.1.1'));
});
