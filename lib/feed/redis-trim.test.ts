// What the log in Redis keeps, on a real one: no more records and bytes than it may, and none that is too old.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/program.ts';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { FeedBody } from './feed.ts';
import type { KeptMax } from './redis-log.ts';
import { openRedisStream } from './redis-stream.ts';

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(() => redis.restart());

const text = (bytes: number): FeedBody => ({
  kind: 'readings',
  ...{ seriesIds: [1], timesUs: [1], values: ['x'.repeat(bytes)], qualities: [0] },
});

async function open(keptMax: Partial<KeptMax>) {
  const metrics = createMetrics();
  const feed = await openRedisStream({
    ...{ url: redis.url, log: createLog('silent'), metrics, keptMax },
  });
  onTestFinished(() => feed.stop());
  const sizes = async () => {
    const exposition = await metrics.exposition();
    const of = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(exposition)?.[1]);
    return { records: of('tailrace_feed_records_size'), bytes: of('tailrace_feed_bytes_size') };
  };
  return { feed, sizes };
}

/** How many records there are in truth, and the bytes of their bodies. */
async function inRedis(): Promise<{ records: number; bytes: number }> {
  const admin = new Redis(redis.url);
  const entries = await admin.xrangeBuffer('{tailrace:feed}', '-', '+');
  admin.disconnect();
  const bytes = entries.reduce((sum, [, fields]) => sum + (fields[3]?.length ?? 0), 0);
  return { records: entries.length, bytes };
}

it('holds so many records and no more, and says how many', async () => {
  const { feed, sizes } = await open({ records: 50 });
  const start = await feed.position();
  for (let i = 0; i < 120; i += 1) await feed.append(text(10));
  expect(await inRedis()).toMatchObject({ records: 50 });
  expect(await sizes()).toEqual(await inRedis());
  const { epoch, offset } = await feed.position();
  expect(await feed.readAfter(start)).toEqual({ recovered: false });
  expect(await feed.readAfter({ epoch, offset: offset - 51 })).toEqual({ recovered: false });
  expect(await feed.readAfter({ epoch, offset: offset - 50 })).toMatchObject({ recovered: true });
});

it('holds so many bytes and no more, and the newest record whatever it weighs', async () => {
  const { feed, sizes } = await open({ bytes: 10_000 });
  for (let i = 0; i < 100; i += 1) {
    await feed.append(text((i * 37) % 900));
    const { bytes } = await sizes();
    expect(bytes).toBeLessThanOrEqual(10_000);
  }
  expect(await sizes()).toEqual(await inRedis());
  await feed.append(text(20_000));
  expect((await inRedis()).records).toBe(1);
  expect(await sizes()).toEqual(await inRedis());
});

it('holds nothing that is too old, once something new comes', async () => {
  const { feed, sizes } = await open({ ageMs: 30 });
  const start = await feed.position();
  await feed.append(text(10));
  await eventually(
    async () => {
      await feed.append(text(10));
      return feed.readAfter(start);
    },
    ({ recovered }) => !recovered,
  );
  expect(await sizes()).toEqual(await inRedis());
});

it('drops a hundred records with one, where many are too old', async () => {
  const before = await open({});
  for (let i = 0; i < 250; i += 1) await before.feed.append(text(1));
  const { feed, sizes } = await open({ records: 10 });
  await feed.append(text(1));
  expect((await sizes()).records).toBe(151);
  for (const _ of [1, 2]) await feed.append(text(1));
  expect(await sizes()).toEqual({ ...(await inRedis()), records: 10 });
});
