// An answer that is made while it is sent goes at its client's pace, and does not wait for one that takes nothing.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type HttpService, openRawClient, startHttpService } from '../../test/http-service.ts';
import { eventually } from '../../test/program.ts';
import type { AnyReply } from './reply.ts';

const PIECE = 'x'.repeat(64 * 1024);
/** Far more than the sockets of both ends hold. */
const PIECES = 1_600;

let service: HttpService;
/** Pieces that were asked for, and whether somebody said that no more are wanted. */
let made = 0;
let isOver = false;
let failsAt = Number.POSITIVE_INFINITY;

async function* pieces(): AsyncGenerator<string> {
  try {
    for (; made < PIECES; made += 1) {
      if (made === failsAt) throw new Error('broken');
      yield PIECE;
    }
  } finally {
    isOver = true;
  }
}

beforeAll(async () => {
  service = await startHttpService({
    routes: [
      {
        ...{ summary: '', parameters: [], types: ['text/plain'] },
        ...{ method: 'GET', path: '/pieces', grant: 'public' },
        handle: (): AnyReply => ({ kind: 'pieces', headers: {}, pieces: pieces() }),
      },
    ],
    stalledMs: 300,
  });
});

beforeEach(() => {
  [made, isOver] = [0, false];
});

afterAll(() => service.stop());

const GET = 'GET /pieces HTTP/1.1\r\nHost: test\r\n\r\n';

it('all of it comes to a client that reads', async () => {
  const text = await (await fetch(`${service.url}/pieces`)).text();
  expect(text).toHaveLength(PIECES * PIECE.length);
});

it('no more is made than a client takes, and one that takes nothing is left', async () => {
  const client = openRawClient(service.port);
  client.socket.pause();
  client.send(GET);
  await eventually(
    async () => isOver,
    (over) => over,
  );
  expect(made).toBeLessThan(PIECES / 2);
  client.socket.resume();
  await client.closed;
  expect(client.received()).not.toMatch(/\r\n0\r\n\r\n$/);
});

it('nothing is made any more for a client that went away', async () => {
  const client = openRawClient(service.port);
  client.socket.pause();
  client.send(GET);
  await eventually(
    async () => made,
    (count) => count > 10,
  );
  client.socket.destroy();
  await eventually(
    async () => isOver,
    (over) => over,
  );
  expect(made).toBeLessThan(PIECES / 2);
});

it('an error in the middle cuts the connection', async () => {
  failsAt = 100;
  const reading = fetch(`${service.url}/pieces`).then((response) => response.text());
  await expect(reading).rejects.toThrow();
  expect(isOver).toBe(true);
  failsAt = Number.POSITIVE_INFINITY;
});
