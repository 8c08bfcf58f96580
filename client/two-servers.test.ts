// Two query servers on one feed, a real Redis, behind one client.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { followTail } from '../test/followed-tail.ts';
import { eventually } from '../test/program.ts';
import { startProxy } from '../test/proxy.ts';
import { startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';
import { startRedis, type TestRedis } from '../test/redis.ts';

const T0 = Date.UTC(2026, 0, 2);
const DAY = { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' };

let redis: TestRedis;
let database: TestDatabase;
let keyFolder: string;
let one: TestQueryServer;
let other: TestQueryServer;

async function startServer(): Promise<TestQueryServer> {
  const log = createLog('silent');
  const feed = await openRedisStream({ url: redis.url, log, metrics: createMetrics() });
  const { url: ticketRedisUrl } = redis;
  return startTestQueryServer({ database: database.database, feed, keyFolder, ticketRedisUrl });
}

beforeAll(async () => {
  redis = await startRedis();
  database = await openTestDatabase();
  keyFolder = await mkdtemp(join(tmpdir(), 'tailrace-keys-'));
  one = await startServer();
  other = await startServer();
});

afterAll(async () => {
  await other?.stop();
  await one?.stop();
  await database?.dispose();
  await redis?.stop();
  await rm(keyFolder, { recursive: true, force: true });
});

const until = (condition: () => boolean) => eventually(async () => condition(), Boolean);

it('opens at once behind one address that takes turns, though each server has one half of its requests', async () => {
  const { id } = await one.write('rig-1', 'spp', [[T0, 0]]);
  const ports = [one, other].map(({ url }) => Number(new URL(url).port));
  let turn = 0;
  const proxy = await startProxy(() => ({
    ...{ host: '127.0.0.1', port: ports[turn++ % ports.length] ?? 0 },
  }));
  const { view, states } = followTail({
    ...{ url: `http://127.0.0.1:${proxy.port}`, token: () => one.token() },
    ...{ series: ['rig-1/spp'], snapshot: DAY },
  });
  await until(() => states.at(-1) === 'live');
  expect(states).not.toContain('offline');
  expect(proxy.opened).toBe(2);
  await one.write('rig-1', 'spp', [[T0 + 1, 1]]);
  await other.write('rig-1', 'spp', [[T0 + 2, 2]]);
  await until(() => view.points(id).length === 3);
  await proxy.close();
});

it('goes on at the other one where one is gone, without a gap', async () => {
  const { id } = await one.write('rig-1', 'rpm', [[T0, 0]]);
  const { view, frames, states } = followTail({
    ...{ url: [one.url, other.url], token: () => other.token() },
    ...{ series: ['rig-1/rpm'], snapshot: DAY },
  });
  await until(() => states.at(-1) === 'live');
  await other.write('rig-1', 'rpm', [[T0 + 1, 1]]);
  await one.stop();
  await other.write('rig-1', 'rpm', [[T0 + 2, 2]]);
  await until(() => view.points(id).length === 3);
  const subscribed = frames.flatMap((frame) => (frame.type === 'subscribed' ? [frame] : []));
  expect(subscribed.map(({ recovered }) => recovered)).toEqual([null, true]);
  expect(states).toContain('offline');
});
