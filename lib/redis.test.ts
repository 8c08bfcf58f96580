// Scripts in a real Redis that answers, refuses, hangs or is not there: whoever asks is not kept waiting.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../test/program.ts';
import { startRedis, type TestRedis } from '../test/redis.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { openRedisScripts, type RedisScripts } from './redis.ts';

const ECHO = 'return {KEYS[1], ARGV[1]}';
const UNAVAILABLE = expect.objectContaining({ code: 'redis_unavailable' });
/** A second, and what a busy machine adds. */
const SOON_MS = 4_000;

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const metrics = createMetrics();
let opened = 0;

async function open(): Promise<RedisScripts> {
  opened += 1;
  const what = `things_${opened}`;
  const scripts = await openRedisScripts({
    ...{ url: redis.url, log: createLog('silent'), metrics, what },
  });
  onTestFinished(scripts.stop);
  return scripts;
}

const ask = (scripts: RedisScripts) => scripts.run(ECHO, ['key'], ['value']);

async function untilAnswered(scripts: RedisScripts): Promise<void> {
  const answer = () => ask(scripts).catch(() => undefined);
  expect(await eventually(answer, (said) => said !== undefined)).toEqual(['key', 'value']);
  expect(scripts.isAnswering).toBe(true);
  expect(await metrics.exposition()).toContain(`tailrace_things_${opened}_away 0\n`);
}

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const sinceMs = performance.now();
  await work;
  return performance.now() - sinceMs;
}

describe('a script', () => {
  it('gives what it gives, and another one after one that failed', async () => {
    const scripts = await open();
    expect(await ask(scripts)).toEqual(['key', 'value']);
    await expect(scripts.run('return nonsense', [], [])).rejects.toEqual(UNAVAILABLE);
    await untilAnswered(scripts);
  });

  it('is waited for a second where Redis hangs, with a thousand others at most, and then not at all', async () => {
    const scripts = await open();
    redis.signal('SIGSTOP');
    const asked = Array.from({ length: 1_000 }, () => ask(scripts));
    const all = Promise.allSettled(asked);
    expect(await elapsedMs(expect(ask(scripts)).rejects.toEqual(UNAVAILABLE))).toBeLessThan(500);
    expect(await metrics.exposition()).toContain(`tailrace_things_${opened}_scripts_size 1000\n`);
    expect(await elapsedMs(all)).toBeLessThan(SOON_MS);
    for (const one of await all) expect(one).toMatchObject({ reason: UNAVAILABLE });
    expect(await metrics.exposition()).toContain(`tailrace_things_${opened}_scripts_size 0\n`);
    expect(await metrics.exposition()).toContain(`tailrace_things_${opened}_away 1\n`);
    expect(scripts.isAnswering).toBe(false);
    expect(await elapsedMs(expect(ask(scripts)).rejects.toEqual(UNAVAILABLE))).toBeLessThan(500);
    redis.signal('SIGCONT');
    await untilAnswered(scripts);
  });

  it('can be asked for before Redis is there', async () => {
    await redis.kill();
    const opening = open();
    expect(await elapsedMs(opening)).toBeLessThan(SOON_MS);
    const scripts = await opening;
    await expect(ask(scripts)).rejects.toEqual(UNAVAILABLE);
    await redis.start();
    await untilAnswered(scripts);
  });
});
