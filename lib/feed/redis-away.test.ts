// The feed while Redis is away, refuses or is silent, on a real one: nobody waits, and nothing goes missing unsaid.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/program.ts';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { Feed, FeedBody, FeedRecord, GapAccount, Position } from './feed.ts';
import { openRedisStream } from './redis-stream.ts';

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis('socket', { keepsData: true });
});
afterAll(() => redis.stop());
beforeEach(() => onAdmin((admin) => admin.flushall()));

async function onAdmin(work: (admin: Redis) => Promise<unknown>): Promise<void> {
  const admin = new Redis(redis.url);
  await work(admin);
  admin.disconnect();
}

/** An account in memory, for all who are given it. */
function memoryAccount() {
  const listeners = new Set<() => void>();
  const story: string[] = [];
  const account: GapAccount & { isOwed: boolean } = {
    isOwed: false,
    async owe() {
      account.isOwed = true;
      story.push('owe');
      for (const listener of listeners) listener();
    },
    async settle() {
      account.isOwed = false;
      story.push('settle');
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return { account, story };
}

async function open(gaps: GapAccount): Promise<{ feed: Feed; told: FeedRecord[] }> {
  const feed = await openRedisStream({
    ...{ url: redis.url, gaps, log: createLog('silent'), metrics: createMetrics() },
  });
  onTestFinished(() => feed.stop());
  const told: FeedRecord[] = [];
  feed.follow((record) => told.push(record));
  return { feed, told };
}

const readings = (value: number): FeedBody => ({
  kind: 'readings',
  ...{ seriesIds: [1], timesUs: [value], values: [value], qualities: [0] },
});

function shown(record: FeedRecord): string {
  return record.kind === 'readings' ? `readings ${record.values[0]}` : record.kind;
}

const until = (told: readonly FeedRecord[], last: string) =>
  eventually(
    async () => told.map(shown),
    (seen) => seen.at(-1) === last,
  );

/** What a record of points comes to; how long that took, in ms. */
async function tryAppend(feed: Feed, value: number): Promise<{ code: string; tookMs: number }> {
  const startedMs = performance.now();
  const code = await feed.append(readings(value)).then(
    () => 'appended',
    (thrown: { code: string }) => thrown.code,
  );
  return { code, tookMs: performance.now() - startedMs };
}

/** Ways of Redis to take nothing. */
const TROUBLES = [
  { name: 'is down', begin: () => redis.kill(), end: () => redis.start() },
  {
    name: 'is silent',
    begin: async () => redis.signal('SIGSTOP'),
    end: async () => redis.signal('SIGCONT'),
  },
  {
    name: 'has no memory left',
    begin: () => onAdmin((admin) => admin.config('SET', 'maxmemory', '1')),
    end: () => onAdmin((admin) => admin.config('SET', 'maxmemory', '0')),
  },
];

describe.each(TROUBLES)('while Redis $name', (trouble) => {
  it('appending fails soon, then at once; followers hear of a gap, and of one more before the next record', async () => {
    const { account, story } = memoryAccount();
    const [{ feed }, { feed: other, told }] = [await open(account), await open(account)];
    const before = await feed.append(readings(1));
    await until(told, 'readings 1');
    await trouble.begin();
    const first = await tryAppend(feed, 2);
    const second = await tryAppend(feed, 3);
    expect([first.code, second.code]).toEqual(['feed_unavailable', 'feed_unavailable']);
    expect(first.tookMs).toBeLessThan(5_000);
    expect(second.tookMs).toBeLessThan(first.tookMs);
    expect(story).toEqual(['owe', 'owe']);
    expect(told.map(shown)).toEqual(['readings 1', 'gap', 'gap']);
    // Cursors of now do not lead over the gap.
    for (const one of [feed, other]) {
      expect(await one.position()).toEqual(before);
      expect(await one.readAfter(before)).toEqual({ recovered: false });
    }
    await trouble.end();
    await eventually(
      async () => story,
      (seen) => seen.at(-1) === 'settle',
    );
    await feed.append(readings(4));
    const seen = await until(told, 'readings 4');
    // Where Redis was only silent, what it was sent comes in after all, and before the gap.
    expect(seen.filter((one) => !one.startsWith('readings 2'))).toEqual([
      ...['readings 1', 'gap', 'gap', 'gap', 'readings 4'],
    ]);
    // The other looks a little later whether Redis is back; until then nobody resumes there.
    const read = await eventually(
      () => other.readAfter(before),
      ({ recovered }) => recovered,
    );
    if (read.recovered) expect(read.records.map(shown)).toContain('gap');
  });
});

it('a Redis that starts again with its data costs nothing', async () => {
  const { account, story } = memoryAccount();
  const { feed, told } = await open(account);
  const before = await feed.append(readings(1));
  await redis.restart();
  await eventually(
    () => tryAppend(feed, 2),
    ({ code }) => code === 'appended',
  );
  await until(told, 'readings 2');
  expect((await feed.position()).epoch).toBe(before.epoch);
  expect(await feed.readAfter(before)).toMatchObject({ recovered: true });
  if (story.length === 0) expect(told.map(shown)).toEqual(['readings 1', 'readings 2']);
});

it('news of policies are owed to nobody', async () => {
  const { account, story } = memoryAccount();
  const { feed, told } = await open(account);
  await redis.kill();
  await expect(feed.append({ kind: 'bundle', revision: '2' })).rejects.toMatchObject({
    code: 'feed_unavailable',
  });
  await redis.start();
  await eventually(
    () => tryAppend(feed, 5),
    ({ code }) => code === 'appended',
  );
  await until(told, 'readings 5');
  expect(story.filter((step) => step === 'settle')).toHaveLength(story.includes('owe') ? 1 : 0);
});

it('a reader that lags behind the trim tells of a gap', async () => {
  const { feed, told } = await open(memoryAccount().account);
  await feed.append(readings(1));
  await until(told, 'readings 1');
  const next: Position = { ...(await feed.position()) };
  // Two records, of which the first is gone before anybody could read it.
  await onAdmin(async (admin) => {
    const [, , , body] = (await admin.xrangeBuffer('{tailrace:feed}', '-', '+'))[0]?.[1] ?? [];
    const transaction = admin.multi();
    for (const offset of [next.offset + 1, next.offset + 2]) {
      transaction.xadd('{tailrace:feed}', `${offset}-0`, 'e', next.epoch, 'r', body as Buffer);
    }
    transaction.incrby('{tailrace:feed}:offset', 2);
    transaction.xtrim('{tailrace:feed}', 'MAXLEN', 1);
    await transaction.exec();
  });
  await eventually(
    async () => told.length,
    (count) => count === 3,
  );
  expect(told.map(shown)).toEqual(['readings 1', 'gap', 'readings 1']);
  expect(await feed.readAfter(next)).toEqual({ recovered: false });
});
