// Tickets over HTTP at two query servers on one Redis: asked for at one, used at the other.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import { openRedisStream } from '../../lib/feed/redis-stream.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { eventually } from '../../test/program.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import { connectTail, openStream, type StreamClient } from '../../test/tail-client.ts';
import { type Amounts, amountsOf } from '../limits/amounts.ts';

const T0 = Date.UTC(2026, 0, 2);
const STREAM = 'series=rig-1/spp&start=2026-01-02T00:00:00Z&end=2026-01-03T00:00:00Z&points=raw';

let redis: TestRedis;
let database: TestDatabase;
let keyFolder: string;
let one: TestQueryServer;
let other: TestQueryServer;
let token: string;

async function startServer(limits?: Amounts): Promise<TestQueryServer> {
  const log = createLog('silent');
  const feed = await openRedisStream({ url: redis.url, log, metrics: createMetrics() });
  const { url: ticketRedisUrl } = redis;
  return startTestQueryServer({
    ...{ database: database.database, feed, keyFolder, ticketRedisUrl },
    ...(limits === undefined ? {} : { limits }),
  });
}

beforeAll(async () => {
  redis = await startRedis();
  database = await openTestDatabase();
  keyFolder = await mkdtemp(join(tmpdir(), 'tailrace-keys-'));
  one = await startServer();
  other = await startServer();
  await one.write('rig-1', 'spp', [[T0, 0]]);
});
afterAll(async () => {
  await other?.stop();
  await one?.stop();
  await database?.dispose();
  await redis?.stop();
  await rm(keyFolder, { recursive: true, force: true });
});
beforeEach(async () => {
  token = await one.token();
});

async function ticketOf({ url }: TestQueryServer): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/v1/tickets`, { method: 'POST', headers });
  expect(response.status).toBe(200);
  return ((await response.json()) as { ticket: string }).ticket;
}

/** Opens a WebSocket; the status where it is refused. */
async function socketStatus({ url }: TestQueryServer, ticket: string): Promise<number> {
  try {
    const client = await connectTail({ url, query: `?ticket=${ticket}` });
    onTestFinished(() => client.socket.terminate());
    return 101;
  } catch (thrown) {
    return (thrown as { status: number }).status;
  }
}

async function stream(
  { url }: TestQueryServer,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<StreamClient> {
  const opened = await openStream(`${url}/v1/tail?${query}`, headers);
  onTestFinished(() => opened.abort());
  return opened;
}

describe('a ticket of one server', () => {
  it('opens one WebSocket, at the other', async () => {
    const ticket = await ticketOf(one);
    expect(await socketStatus(other, ticket)).toBe(101);
    expect(await socketStatus(one, ticket)).toBe(401);
    expect(await socketStatus(other, ticket)).toBe(401);
  });

  it('opens one WebSocket, of all that come to both at once', async () => {
    const ticket = await ticketOf(one);
    const all = await Promise.all([one, other, one, other].map((to) => socketStatus(to, ticket)));
    expect(all.toSorted()).toEqual([101, 401, 401, 401]);
  });

  it('reopens its stream at the other, from its last event, and no other stream', async () => {
    const ticket = await ticketOf(one);
    const first = await stream(one, `${STREAM}&ticket=${ticket}`);
    const { eventId } = await first.next('snapshot');
    first.abort();
    await one.write('rig-1', 'spp', [[T0 + 1, 1]]);
    const headers = { 'last-event-id': eventId };
    const second = await stream(other, `ticket=${ticket}&${STREAM}`, headers);
    expect(await second.next('subscribed')).toMatchObject({ recovered: true });
    expect((await second.next('data')).points).toMatchObject([[expect.any(Number), T0 + 1, 1]]);
    for (const refused of [
      stream(other, `${STREAM}&max_hz=1&ticket=${ticket}`),
      stream(other, `${STREAM}&ticket=${ticket}`, { origin: 'https://elsewhere.example' }),
    ]) {
      expect((await refused).response.status).toBe(401);
    }
    expect(await socketStatus(other, ticket)).toBe(401);
  });

  it('is let in by the other where their address is at its limit', async () => {
    const { address, ...callers } = amountsOf(readConfig({}));
    const third = await startServer({ ...callers, address: { ...address, requestsPerS: 1 } });
    onTestFinished(third.stop);
    const [socket, events] = [await ticketOf(one), await ticketOf(one)];
    const ask = () => fetch(`${third.url}/v1/series`).then(({ status }) => status);
    await eventually(ask, (status) => status === 429);
    expect(await socketStatus(third, socket)).toBe(101);
    const opened = await stream(third, `${STREAM}&ticket=${events}`);
    expect(opened.response.status).toBe(200);
  });
});

describe('without Redis', () => {
  it('a ticket opens what it should where it was given, and elsewhere says that it cannot be looked up', async () => {
    const before = await ticketOf(one);
    await redis.kill();
    onTestFinished(() => redis.start());
    const during = await ticketOf(one);
    for (const ticket of [before, during]) {
      const refused = await stream(other, `${STREAM}&ticket=${ticket}`);
      expect(refused.response.status).toBe(503);
      expect(refused.response.headers.get('retry-after')).toBe('1');
      expect(await socketStatus(other, ticket)).toBe(503);
    }
    expect(await socketStatus(one, before)).toBe(101);
    const opened = await stream(one, `${STREAM}&ticket=${during}`);
    expect(opened.response.status).toBe(200);
  });
});
