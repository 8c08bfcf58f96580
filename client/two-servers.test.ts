// Two query servers on one feed, a real Redis, behind one client: this one, or a browser's own EventSource.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type BrowserOrigin, startBrowserOrigin } from '../test/browser-origin.ts';
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
let browser: BrowserOrigin;
let one: TestQueryServer;
let other: TestQueryServer;

async function startServer(): Promise<TestQueryServer> {
  const log = createLog('silent');
  const feed = await openRedisStream({ url: redis.url, log, metrics: createMetrics() });
  const { url: ticketRedisUrl } = redis;
  const corsOrigins = [browser.origin];
  const own = { feed, keyFolder, ticketRedisUrl, corsOrigins };
  return startTestQueryServer({ database: database.database, ...own });
}

beforeAll(async () => {
  browser = await startBrowserOrigin();
  redis = await startRedis();
  database = await openTestDatabase();
  keyFolder = await mkdtemp(join(tmpdir(), 'tailrace-keys-'));
  one = await startServer();
  other = await startServer();
});

afterAll(async () => {
  await browser?.stop();
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

it('EventSource goes on at the other one by the ticket of the first, without a gap', async () => {
  await one.write('rig-1', 'wob', [[T0, 0]]);
  let inFront = one;
  const proxy = await startProxy(() => ({
    ...{ host: '127.0.0.1', port: Number(new URL(inFront.url).port) },
  }));
  const url = `http://127.0.0.1:${proxy.port}`;
  const page = await browser.run(`
    const answer = await fetch('${url}/v1/tickets', {
      method: 'POST',
      headers: { authorization: 'Bearer ${await one.token()}' },
    });
    const { ticket } = await answer.json();
    const query = new URLSearchParams({ ticket, series: 'rig-1/wob', ...${JSON.stringify(DAY)} });
    const source = new EventSource('${url}/v1/tail?' + query);
    for (const type of ['subscribed', 'snapshot', 'data']) {
      source.addEventListener(type, ({ data }) => {
        const { recovered, points = [] } = JSON.parse(data);
        const said = [type, recovered, ...points.map(([, , value]) => value)];
        document.body.append(said.join(':'), ' ');
      });
    }`);
  const text = () => page.innerText('body');
  await eventually(text, (said) => said.includes('snapshot'));
  inFront = other;
  proxy.refuse();
  await other.write('rig-1', 'wob', [[T0 + 1, 1]]);
  proxy.accept();
  const said = await eventually(text, (all) => all.includes('data'));
  expect(said.trim().split(/\s+/)).toEqual([
    ...['subscribed:', 'snapshot:', 'subscribed:true', 'data::1'],
  ]);
  expect(browser.faults).toEqual([]);
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
