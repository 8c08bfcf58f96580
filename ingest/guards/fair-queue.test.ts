import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createFairQueue } from './fair-queue.ts';

/** Takes a batch of about so many readings; each item is the number of its readings. */
function takeBatch(queue: ReturnType<typeof createFairQueue<[string, number]>>, readings: number) {
  queue.open();
  const batch: [string, number][] = [];
  let had = 0;
  for (;;) {
    const item = queue.take(had >= readings);
    if (item === undefined) return batch;
    batch.push(item);
    queue.charge(item[1]);
    had += item[1];
  }
}

const readingsOf = (batch: readonly [string, number][], tenant: string) =>
  batch.filter(([name]) => name === tenant).reduce((sum, [, readings]) => sum + readings, 0);

it('gives all of a batch to a tenant that is alone', () => {
  const queue = createFairQueue<[string, number]>(10);
  for (let i = 0; i < 100; i++) queue.push('a', ['a', 1]);
  expect(takeBatch(queue, 50)).toHaveLength(50);
  expect(queue.size).toBe(50);
});

it('takes a small tenant along with the next batch, however much a large one has waiting', () => {
  const queue = createFairQueue<[string, number]>(10);
  for (let i = 0; i < 1_000; i++) queue.push('large', ['large', 1]);
  queue.push('small', ['small', 1]);
  const batch = takeBatch(queue, 50);
  expect(readingsOf(batch, 'small')).toBe(1);
  expect(readingsOf(batch, 'large')).toBe(49);
});

it('lets a small tenant into a batch that has all that it should have', () => {
  const queue = createFairQueue<[string, number]>(10);
  for (let i = 0; i < 1_000; i++) queue.push('large', ['large', 1]);
  takeBatch(queue, 50);
  queue.push('small', ['small', 4]);
  expect(queue.take(true)).toEqual(['small', 4]);
  queue.charge(4);
  expect(queue.take(true)).toBeUndefined();
});

it('gives tenants that send much equal parts, whatever the size of their messages', () => {
  const queue = createFairQueue<[string, number]>(100);
  for (let i = 0; i < 10_000; i++) queue.push('singles', ['singles', 1]);
  for (let i = 0; i < 100; i++) queue.push('hundreds', ['hundreds', 100]);
  for (let i = 0; i < 10; i++) queue.push('thousands', ['thousands', 1_000]);
  const had = { singles: 0, hundreds: 0, thousands: 0 };
  for (let i = 0; i < 15; i++) {
    for (const [tenant, readings] of takeBatch(queue, 1_000)) {
      had[tenant as keyof typeof had] += readings;
    }
  }
  const parts = Object.values(had);
  expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1_200);
});

it('gives each tenant its messages in order, and each message once', () => {
  const pushes = fc.array(
    fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 30 })),
  );
  fc.assert(
    fc.property(
      fc.array(pushes, { maxLength: 5 }),
      fc.integer({ min: 1, max: 60 }),
      (rounds, max) => {
        const queue = createFairQueue<[string, number]>(7);
        const pushed: [string, number][] = [];
        const taken: [string, number][] = [];
        for (const round of rounds) {
          for (const item of round) {
            pushed.push(item);
            queue.push(item[0], item);
          }
          taken.push(...takeBatch(queue, max));
        }
        while (queue.size > 0) {
          const batch = takeBatch(queue, max);
          expect(batch.length).toBeGreaterThan(0);
          taken.push(...batch);
        }
        for (const tenant of ['a', 'b', 'c']) {
          const own = (items: [string, number][]) => items.filter(([name]) => name === tenant);
          expect(own(taken)).toEqual(own(pushed));
        }
      },
    ),
  );
});
