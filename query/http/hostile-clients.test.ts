// Clients that send too slowly, too much, or never end, as sockets of their own: each loses its connection, and the
// server's answers to others stay what they are.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type HttpService,
  openRawClient,
  type RawClient,
  startHttpService,
} from '../../test/http-service.ts';
import { eventually } from '../../test/program.ts';
import { reply } from './reply.ts';
import type { PublicRoute } from './routes.ts';

/** The engine's 10 s, at which it looks every 4 s, and a busy machine. */
const SLOW_MAX_MS = 20_000;
const RECEIVE_MAX_MS = 600;
const BIG = 'x'.repeat(30_000_000);

const common = {
  grant: 'public',
  summary: '',
  parameters: [],
  types: ['application/json'],
} as const;
const routes: PublicRoute[] = [
  { ...common, method: 'GET', path: '/hello', handle: () => reply('{}') },
  { ...common, method: 'GET', path: '/big', handle: () => reply(BIG) },
  {
    ...common,
    method: 'POST',
    path: '/take',
    handle: ({ body }) => reply(`{"bytes":${body?.length}}`),
  },
];

let service: HttpService;
const messages: number[] = [];

beforeAll(async () => {
  service = await startHttpService({
    routes,
    receiveMaxMs: RECEIVE_MAX_MS,
    messageMaxBytes: 100_000,
    accept: async () => ({
      protocol: undefined,
      release: () => undefined,
      connect: () => ({
        message: (data) => void messages.push(data.length),
        drained: () => undefined,
        closed: () => undefined,
      }),
    }),
  });
});

afterAll(() => service.stop());

/** Connects and says something at once. */
function say(text: string): RawClient {
  const client = openRawClient(service.port);
  client.send(text);
  return client;
}

/** Sends one byte after another until the connection ends. */
function drip(client: RawClient, text: string, everyMs: number): void {
  let at = 0;
  const dripping = setInterval(() => {
    if (at < text.length) client.send(text.charAt(at++));
  }, everyMs);
  client.socket.once('close', () => clearInterval(dripping));
}

const head = (request: string, headers: readonly string[] = []) =>
  `${[`${request} HTTP/1.1`, 'Host: test', ...headers].join('\r\n')}\r\n\r\n`;
const UPGRADE = head('GET /socket', [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]);

/** Connects and drips. */
function dripping(text: string, everyMs: number): RawClient {
  const client = openRawClient(service.port);
  drip(client, text, everyMs);
  return client;
}

/** A WebSocket frame as a client sends it, masked with zeros. */
function frame(opcode: number, payload: Buffer): Buffer {
  const length = payload.length;
  const mask = Buffer.alloc(4);
  if (length < 126) {
    return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | length]), mask, payload]);
  }
  const start = Buffer.alloc(10);
  start.writeUInt8(0x80 | opcode, 0);
  start.writeUInt8(0x80 | 127, 1);
  start.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([start, mask, payload]);
}

async function openSocket(): Promise<RawClient> {
  const client = say(UPGRADE);
  await eventually(
    async () => client.received(),
    (text) => text.includes('\r\n\r\n'),
  );
  expect(client.received()).toMatch(/^HTTP\/1\.1 101 /);
  return client;
}

async function sizeOf(metric: string): Promise<number> {
  const lines = (await service.metrics.exposition()).split('\n');
  return Number(lines.find((line) => line.startsWith(`${metric} `))?.split(' ')[1]);
}

// Side by side: the engine's patience is real time.
describe.concurrent('a connection is not kept for whoever', () => {
  it.each<[what: string, open: () => RawClient]>([
    ['says nothing', () => openRawClient(service.port)],
    ['asks once and stays', () => say(head('GET /hello'))],
    [
      'sends a head byte by byte',
      () => dripping(`GET /hello HTTP/1.1\r\nHost: ${'x'.repeat(1_000)}`, 200),
    ],
    [
      'never ends the handshake of a WebSocket',
      () => dripping(`${UPGRADE.slice(0, -2)}${'X-More: '.repeat(100)}`, 200),
    ],
  ])('%s', { timeout: 2 * SLOW_MAX_MS }, async (_what, open) => {
    expect(await open().closed).toBeLessThan(SLOW_MAX_MS);
  });

  it('takes nothing of a large answer', { timeout: 2 * SLOW_MAX_MS }, async () => {
    const client = say(head('GET /big'));
    client.socket.pause();
    // It counts as a request that is being answered until then, so there are never too many of these.
    const inFlight = () => sizeOf('tailrace_requests_in_flight_size');
    await eventually(inFlight, (size) => size === 1);
    await eventually(inFlight, (size) => size === 0, SLOW_MAX_MS);
    client.socket.destroy();
  });
});

describe('a head', () => {
  it.each([
    ['of 20 KB in one header', head('GET /hello', [`X-Long: ${'x'.repeat(20_000)}`])],
    [
      'of 20 KB in forty headers',
      head(
        'GET /hello',
        Array.from({ length: 40 }, (_, n) => `X-${n}: ${'x'.repeat(500)}`),
      ),
    ],
  ])('%s is answered 431', async (_what, text) => {
    const client = say(text);
    await eventually(
      async () => client.received(),
      (received) => received.includes('}'),
    );
    expect(client.received()).toMatch(/^HTTP\/1\.1 431 /);
    client.socket.destroy();
  });

  it('without an end is cut off at 128 KB, not gathered', async () => {
    const client = say('GET /hello HTTP/1.1\r\nX-Long: ');
    const flooding = setInterval(() => client.send('x'.repeat(4_096)), 2);
    client.socket.once('close', () => clearInterval(flooding));
    expect(await client.closed).toBeLessThan(SLOW_MAX_MS);
    expect(client.socket.bytesWritten).toBeLessThan(2_000_000);
  });

  it('that says two things of its body’s length is not believed', async () => {
    const smuggling = ['Content-Length: 4', 'Transfer-Encoding: chunked'];
    const client = say(`${head('POST /take', smuggling)}0\r\n\r\nGET /hello HTTP/1.1\r\n\r\n`);
    await client.closed;
    expect(client.received()).not.toContain('200 OK');
  });
});

describe('a body', () => {
  const take = (length: number) => head('POST /take', [`Content-Length: ${length}`]);

  it('in time is taken, piece by piece', async () => {
    const client = say(take(6));
    for (const piece of ['ab', 'cd', 'ef']) client.send(piece);
    await eventually(
      async () => client.received(),
      (received) => received.includes('bytes'),
    );
    expect(client.received()).toContain('{"bytes":6}');
    client.socket.destroy();
  });

  it('that takes too long is answered 408, and the connection closed', async () => {
    const client = say(take(100_000));
    drip(client, 'x'.repeat(100_000), 20);
    expect(await client.closed).toBeLessThan(SLOW_MAX_MS);
    expect(client.received()).toMatch(/^HTTP\/1\.1 408 /);
    expect(client.received()).toContain('"code":"request_timeout"');
    expect(await sizeOf('tailrace_request_bodies_bytes_size')).toBe(0);
  });

  it('that will be too large is answered 413 though it never comes', async () => {
    const client = say(take(17_000_000));
    await client.closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('that turns out too large is not gathered, and the connection closed', async () => {
    const client = say(head('POST /take', ['Transfer-Encoding: chunked']));
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    let most = 0;
    const flooding = setInterval(async () => {
      for (let n = 0; n < 20 && client.socket.writable; n++) client.send(chunk);
      most = Math.max(most, await sizeOf('tailrace_request_bodies_bytes_size'));
    }, 10);
    await client.closed;
    clearInterval(flooding);
    expect(most).toBeLessThanOrEqual(16 * 1024 * 1024);
    expect(await sizeOf('tailrace_request_bodies_bytes_size')).toBe(0);
  });

  it('that nobody wants is not waited for', async () => {
    const client = say(head('POST /nothing', ['Content-Length: 1000000']));
    await client.closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('of a client that goes away leaves nothing behind', async () => {
    const client = say(`${take(1_000)}abc`);
    const held = () => sizeOf('tailrace_request_bodies_bytes_size');
    await eventually(held, (bytes) => bytes === 3);
    client.socket.destroy();
    await eventually(held, (bytes) => bytes === 0);
    await eventually(
      () => sizeOf('tailrace_requests_in_flight_size'),
      (size) => size === 0,
    );
  });
});

it('requests that do not wait for the answer before them lose the connection', async () => {
  const client = say(head('GET /big') + head('GET /hello') + head('GET /hello'));
  await client.closed;
  expect(client.received()).not.toContain('{}');
});

describe('a WebSocket', () => {
  it('takes messages up to its maximum, and none beyond', async () => {
    const client = await openSocket();
    client.send(frame(1, Buffer.alloc(100_000, 'x')));
    await eventually(
      async () => messages,
      (sizes) => sizes.includes(100_000),
    );
    client.send(frame(1, Buffer.alloc(100_001, 'x')));
    await client.closed;
    expect(messages).not.toContain(100_001);
  });

  it('that is flooded with pings is closed before its pongs pile up', async () => {
    const client = await openSocket();
    client.socket.removeAllListeners('data').pause();
    const pings = Buffer.concat(Array.from({ length: 200 }, () => frame(9, Buffer.alloc(125))));
    const flooding = setInterval(() => client.send(pings), 5);
    client.socket.once('close', () => clearInterval(flooding)).resume();
    expect(await client.closed).toBeLessThan(SLOW_MAX_MS);
  });

  it('that pings now and then stays', async () => {
    const client = await openSocket();
    client.send(frame(9, Buffer.from('are you there')));
    await eventually(
      async () => client.received(),
      (text) => text.endsWith('are you there'),
    );
    client.socket.destroy();
  });
});

it('answers others meanwhile as ever', async () => {
  const clients = Array.from({ length: 200 }, () => say('GET /hello HTTP/1.1\r\nX-Slow: '));
  const bodies = Array.from({ length: 50 }, () =>
    say(`${head('POST /take', ['Content-Length: 9'])}x`),
  );
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => fetch(`${service.url}/hello`).then((one) => one.text())),
  );
  expect(new Set(answers)).toEqual(new Set(['{}']));
  for (const { socket } of [...clients, ...bodies]) socket.destroy();
});
