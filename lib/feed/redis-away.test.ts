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
  {
    name: 'is down',
    isAnotherRun: true,
    begin: () => redis.kill(),
    end: () => redis.start(),
  },
  {
    name: 'is silent',
    isAnotherRun: false,
    begin: async () => redis.signal('SIGSTOP'),
    end: async () => redis.signal('SIGCONT'),
  },
  {
    name: 'has no memory left',
    isAnotherRun: false,
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
    // Where Redis was only silent, what it was sent comes in after all, and before the gap. One that starts again is
    // another log, which followers hear of, too.
    const gaps = trouble.isAnotherRun ? ['gap', 'gap'] : ['gap'];
    expect(seen.filter((one) => !one.startsWith('readings 2'))).toEqual([
      ...['readings 1', 'gap', 'gap', ...gaps, 'readings 4'],
    ]);
    const { epoch } = await feed.position();
    expect(epoch !== before.epoch).toBe(trouble.isAnotherRun);
    // The other looks a little later whether Redis is back; until then nobody resumes there.
    const start = trouble.isAnotherRun ? { epoch, offset: 0 } : before;
    const read = await eventually(
      () => other.readAfter(start),
      ({ recovered }) => recovered,
    );
    if (read.recovered) expect(read.records.map(shown)).toContain('gap');
  });
});

it('a Redis that starts again with its data costs acknowledgements nothing, and followers a gap', async () => {
  const { account, story } = memoryAccount();
  const { feed, told } = await open(account);
  const before = await feed.append(readings(1));
  await redis.restart();
  await eventually(
    () => tryAppend(feed, 2),
    ({ code }) => code === 'appended',
  );
  await until(told, 'readings 2');
  if (story.length === 0) expect(told.map(shown)).toEqual(['readings 1', 'gap', 'readings 2']);
  expect(await feed.readAfter(before)).toEqual({ recovered: false });
});

it('a Redis that starts again without its newest records is another log, though others have appended since', async () => {
  const { account } = memoryAccount();
  const { feed: writer } = await open(account);
  const { feed, told } = await open(account);
  await writer.append(readings(1));
  await until(told, 'readings 1');
  redis.remember();
  for (const value of [2, 3]) await writer.append(readings(value));
  await until(told, 'readings 3');
  const seen = (told.at(-1) as FeedRecord).position;
  await writer.stop();
  await redis.kill();
  redis.recall();
  await redis.start();
  // It has seen nothing of the log: to it nothing is missing.
  const { feed: other } = await open(account);
  for (const value of [4, 5, 6]) await other.append(readings(value));
  const story = await until(told, 'readings 6');
  expect(story).toEqual([
    'readings 1',
    'readings 2',
    'readings 3',
    'gap',
    ...[4, 5, 6].map((value) => `readings ${value}`),
  ]);
  expect((await other.position()).offset).toBeGreaterThanOrEqual(seen.offset);
  for (const one of [feed, other]) expect(await one.readAfter(seen)).toEqual({ recovered: false });
});

it('is one log also to those who may not ask Redis which run it is', async () => {
  await onAdmin((admin) =>
    admin.acl('SETUSER', 'limited', 'on', '>secret', '~{tailrace:feed}*', '+@all', '-info'),
  );
  const limited = new URL('redis://limited:secret@host');
  limited.searchParams.set('path', redis.url);
  const { feed } = await open(memoryAccount().account);
  const other = await openRedisStream({
    ...{ url: `${limited}`, log: createLog('silent'), metrics: createMetrics() },
  });
  onTestFinished(() => other.stop());
  const { epoch, offset } = await feed.append(readings(1));
  expect(await other.append(readings(2))).toEqual({ epoch, offset: offset + 1 });
  expect(await feed.append(readings(3))).toEqual({ epoch, offset: offset + 2 });
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
