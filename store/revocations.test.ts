// Revocations that are kept, distributed and forgotten, on a real database and a real feed.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Feed } from '../lib/feed/feed.ts';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { createRevocations, type Revocations } from '../policies/tokens/revocations.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { startRedis, type TestRedis } from '../test/redis.ts';
import { openRevocations, type RevocationOrder, type RevocationStore } from './revocations.ts';

const START_MS = 1_800_000_000_123;
const HOUR_MS = 3_600_000;
const log = createLog('silent');

let opened: TestDatabase;
let nowMs: number;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());
beforeEach(() => {
  nowMs = START_MS;
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  await opened.database.writer.query('truncate tailrace.revocation');
});

interface Process {
  readonly set: Revocations;
  readonly store: RevocationStore;
  readonly metrics: ReturnType<typeof createMetrics>;
}

const ring = (): Feed => createRing({ recordsMax: 100, pointsMax: 100 });

/** What one process has of it. */
async function start(
  options: { feed?: Feed; revocationsMax?: number; lookEveryMs?: number } = {},
): Promise<Process> {
  const set = createRevocations();
  const metrics = createMetrics();
  const store = await openRevocations({
    ...{ database: opened.database, feed: ring(), revocations: set, log, metrics },
    clock: () => nowMs,
    lookEveryMs: 3_600_000,
    ...options,
  });
  cleanups.push(() => store.stop());
  return { set, store, metrics };
}

function order(name: string, more: Partial<RevocationOrder> = {}): RevocationOrder {
  return { tenant: 'acme', target: 'token', name, expiresAtMs: undefined, revokedBy: 'a', ...more };
}

/** Claims of a token that was issued `agoMs` ago. */
function token(sub: string, jti: string, agoMs = 60_000) {
  const iat = Math.floor((nowMs - agoMs) / 1_000);
  return { sub, jti, iat, tenant: 'acme', roles: [], exp: START_MS / 1_000 + 86_400 };
}

describe('revocations', () => {
  it('hold at once, and after the next start', async () => {
    const first = await start();
    const kept = await first.store.revoke(order('one', { expiresAtMs: START_MS + HOUR_MS }));
    expect(kept).toEqual({
      ...order('one', { expiresAtMs: START_MS + HOUR_MS }),
      id: expect.any(Number),
      revokedAtMs: START_MS,
    });
    await first.store.revoke(order('ann', { target: 'subject' }));
    const second = await start();
    for (const { set } of [first, second]) {
      expect(set.isRevoked(token('bob', 'one'))).toBe(true);
      expect(set.isRevoked(token('bob', 'two'))).toBe(false);
      expect(set.isRevoked(token('ann', 'two'))).toBe(true);
      expect(set.isRevoked(token('ann', 'two', -1_000))).toBe(false);
      expect(set.isRevoked({ ...token('ann', 'one'), tenant: 'other' })).toBe(false);
    }
  });

  it('of one subject become one, that covers what both did for as long as either', async () => {
    const { set, store, metrics } = await start();
    const subject = { target: 'subject' } as const;
    await store.revoke(order('ann', { ...subject, expiresAtMs: START_MS + 2 * HOUR_MS }));
    nowMs += 60_000;
    const again = order('ann', { ...subject, expiresAtMs: START_MS + HOUR_MS });
    const kept = await store.revoke(again);
    expect(kept).toMatchObject({
      revokedAtMs: START_MS + 60_000,
      expiresAtMs: START_MS + 2 * HOUR_MS,
    });
    expect(await store.list('acme', { before: 1e9, limit: 10 })).toHaveLength(1);
    expect(set.size).toBe(1);
    set.forget(START_MS + HOUR_MS);
    expect(set.isRevoked(token('ann', 'x', 30_000))).toBe(true);
    const endless = await store.revoke(order('ann', subject));
    expect(endless.expiresAtMs).toBeUndefined();
    set.forget(START_MS + 3 * HOUR_MS);
    expect(set.isRevoked(token('ann', 'x'))).toBe(true);
    expect(await metrics.exposition()).toContain('tailrace_revocations_size 1\n');
  });

  it('are forgotten when their tokens are over, in memory and in the table', async () => {
    const { set, store } = await start({ lookEveryMs: 10 });
    await store.revoke(order('short', { expiresAtMs: START_MS + HOUR_MS }));
    await store.revoke(order('long', { expiresAtMs: START_MS + 3 * HOUR_MS }));
    await store.revoke(order('endless'));
    const names = async () =>
      (await store.list('acme', { before: 1e9, limit: 10 })).map(({ name }) => name);
    // A token is taken for five seconds after its exp, and clocks differ.
    nowMs = START_MS + HOUR_MS + 59_999;
    expect(set.isRevoked(token('x', 'short'))).toBe(true);
    nowMs += 1;
    await eventually(names, (found) => found.length === 2);
    expect(await names()).toEqual(['endless', 'long']);
    expect(set.isRevoked(token('x', 'short'))).toBe(false);
    expect(set.isRevoked(token('x', 'long'))).toBe(true);
  });

  it('are so many and no more, and a tenant has half of them at most', async () => {
    const { store, metrics } = await start({ revocationsMax: 5 });
    const refused = (wanted: RevocationOrder) =>
      store.revoke(wanted).then(
        () => 'kept',
        (thrown: { code: string }) => thrown.code,
      );
    for (const name of ['a', 'b', 'c']) expect(await refused(order(name))).toBe('kept');
    expect(await refused(order('d'))).toBe('overloaded');
    // One that is there already can still be revoked again.
    expect(await refused(order('a'))).toBe('kept');
    for (const name of ['a', 'b']) {
      expect(await refused(order(name, { tenant: 'other' }))).toBe('kept');
    }
    expect(await refused(order('a', { tenant: 'third' }))).toBe('overloaded');
    expect(await metrics.exposition()).toContain('tailrace_revocations_size 5\n');
    expect(await metrics.exposition()).toContain('tailrace_revocations_max 5\n');
  });

  it('of another process are found in the table where the feed does not say them', async () => {
    const [first, second] = [await start(), await start({ lookEveryMs: 10 })];
    await first.store.revoke(order('one'));
    await eventually(async () => second.set.isRevoked(token('x', 'one')), Boolean);
  });

  it('are read anew after a gap in the feed', async () => {
    const feed = ring();
    const first = await start();
    const second = await start({ feed });
    await first.store.revoke(order('one'));
    expect(second.set.size).toBe(0);
    await feed.append({ kind: 'gap' });
    await eventually(async () => second.set.isRevoked(token('x', 'one')), Boolean);
  });

  it('do not wait for a feed that takes nothing', async () => {
    const feed = { ...ring(), append: () => new Promise<never>(() => undefined) };
    const { set, store } = await start({ feed });
    await store.revoke(order('one'));
    expect(set.isRevoked(token('x', 'one'))).toBe(true);
  });

  it('that cannot be kept are refused, and do not hold', async () => {
    const { set, store } = await start();
    await opened.database.writer.query('alter table tailrace.revocation rename to away');
    try {
      await expect(store.revoke(order('one'))).rejects.toMatchObject({
        code: 'database_unavailable',
      });
      expect(set.size).toBe(0);
    } finally {
      await opened.database.writer.query('alter table tailrace.away rename to revocation');
    }
  });
});

describe('over a feed in Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  async function feed(): Promise<Feed> {
    const stream = await openRedisStream({ url: redis.url, log, metrics: createMetrics() });
    cleanups.push(() => stream.stop());
    return stream;
  }

  it('reach every process within a second of the answer', async () => {
    const [first, second] = [
      await start({ feed: await feed() }),
      await start({ feed: await feed() }),
    ];
    const heard: number[] = [];
    second.set.onAdded(() => heard.push(performance.now()));
    for (const [name, target] of [
      ['one', 'token'],
      ['ann', 'subject'],
    ] as const) {
      const sinceMs = performance.now();
      await first.store.revoke(order(name, { target }));
      await eventually(async () => second.set.isRevoked(token(name, name)), Boolean);
      expect((heard.at(-1) ?? Number.NaN) - sinceMs).toBeLessThan(1_000);
    }
    expect(heard).toHaveLength(2);
  });
});
