// What was taken for a WebSocket or an event stream is given back however it ends, and also where it never begins.
import { afterEach, expect, it } from 'vitest';
import { type HttpService, openRawClient, startHttpService } from '../../test/http-service.ts';
import { eventually } from '../../test/program.ts';
import { type AnyReply, type ByteStream, reply } from './reply.ts';
import type { Accepted } from './websocket.ts';

const CONNECTIONS = 2;

let service: HttpService;
/** Taken for a socket or a stream, and not given back yet. */
let taken = 0;
/** Opening a stream fails. */
let isBroken = false;
/** Lets those go on that wait. */
let goOn: (() => void)[] = [];
let streams: ByteStream[] = [];

/** Takes something that can be given back once. */
function take(): () => void {
  taken += 1;
  let isTaken = true;
  return () => {
    if (isTaken) taken -= 1;
    isTaken = false;
  };
}

const held = () => new Promise<void>((resolve) => void goOn.push(resolve));

async function start(connect: Accepted['connect'] = handler): Promise<void> {
  [taken, goOn, streams, isBroken] = [0, [], [], false];
  service = await startHttpService({
    async accept() {
      await held();
      return { protocol: undefined, release: take(), connect };
    },
    routes: [
      {
        ...{ summary: '', parameters: [], types: ['text/event-stream'] },
        ...{ method: 'GET', path: '/stream', grant: 'public' },
        async handle(): Promise<AnyReply> {
          await held();
          const abandon = take();
          return {
            ...{ kind: 'stream', headers: {}, abandon },
            open(stream) {
              if (isBroken) throw new Error('broken');
              streams.push(stream);
              stream.onClosed(abandon);
              stream.write(': open\n\n');
            },
          };
        },
      },
      {
        ...{ summary: '', parameters: [], types: ['application/json'] },
        ...{ method: 'GET', path: '/public', grant: 'public', handle: () => reply('{}') },
      },
    ],
    amounts: (defaults) => ({
      ...defaults,
      address: { ...defaults.address, connections: CONNECTIONS },
    }),
  });
}

afterEach(() => service.stop());

function handler() {
  return { message: () => undefined, drained: () => undefined, closed: () => undefined };
}

const UPGRADE = [
  ...['GET /socket HTTP/1.1', 'Host: test', 'Upgrade: websocket', 'Connection: Upgrade'],
  ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n'],
].join('\r\n');
const STREAM = 'GET /stream HTTP/1.1\r\nHost: test\r\n\r\n';

const becomes = (value: () => unknown, wanted: unknown) =>
  eventually(
    async () => value(),
    (found) => found === wanted,
  );

/** As often as there is room for connections, and once more. */
async function eachTime(work: () => Promise<void>): Promise<void> {
  for (let n = 0; n <= CONNECTIONS; n += 1) await work();
  expect((await fetch(`${service.url}/public`)).status).toBe(200);
}

it.each([
  ['a WebSocket', UPGRADE],
  ['an event stream', STREAM],
])('%s whose client goes away while it is being decided on', async (_, text) => {
  await start();
  await eachTime(async () => {
    const client = openRawClient(service.port);
    client.send(text);
    await becomes(() => goOn.length, 1);
    client.socket.destroy();
    await client.closed;
    // The server has to have seen that before it goes on.
    await (await fetch(`${service.url}/public`)).text();
    goOn.pop()?.();
    await becomes(() => taken, 0);
  });
  expect(streams).toEqual([]);
});

it.each([
  ['a WebSocket', UPGRADE],
  ['an event stream', STREAM],
])('%s whose client goes away once it is open', async (_, text) => {
  await start();
  await eachTime(async () => {
    const client = openRawClient(service.port);
    client.send(text);
    await becomes(() => goOn.length, 1);
    goOn.pop()?.();
    await becomes(() => client.received().includes('\r\n\r\n'), true);
    expect(taken).toBe(1);
    client.socket.destroy();
    await becomes(() => taken, 0);
  });
});

it('an event stream that cannot be opened', async () => {
  await start();
  isBroken = true;
  await eachTime(async () => {
    const client = openRawClient(service.port);
    client.send(STREAM);
    await becomes(() => goOn.length, 1);
    goOn.pop()?.();
    await client.closed;
    expect(taken).toBe(0);
  });
});

it('an event stream whose head alone was asked for', async () => {
  await start();
  await eachTime(async () => {
    const asking = fetch(`${service.url}/stream`, { method: 'HEAD' });
    await becomes(() => goOn.length, 1);
    goOn.pop()?.();
    expect((await asking).status).toBe(200);
    expect(taken).toBe(0);
  });
});
