import { describe, expect, it } from 'vitest';
import { createBuckets } from './buckets.ts';

const RATE = { perS: 10, burst: 10 };

describe('buckets by key', () => {
  it('know nothing of one another', () => {
    const buckets = createBuckets(RATE, 10);
    buckets.take('a', 10, 0);
    expect(buckets.waitMs('a', 1, 0)).toBe(100);
    expect(buckets.waitMs('b', 10, 0)).toBe(0);
  });

  it('are never more than their maximum, however many keys come', () => {
    const buckets = createBuckets(RATE, 1_000);
    let most = 0;
    for (let key = 0; key < 20_000; key++) {
      buckets.take(`key ${key}`, 1, key / 1_000);
      most = Math.max(most, buckets.size);
    }
    expect(most).toBe(1_000);
  });

  it('that are full again are forgotten first', () => {
    const buckets = createBuckets(RATE, 4);
    buckets.take('old', 10, 0);
    for (const key of ['a', 'b', 'c']) buckets.take(key, 10, 500);
    buckets.take('new', 1, 1_000);
    expect(buckets.size).toBe(4);
    for (const key of ['a', 'b', 'c']) expect(buckets.waitMs(key, 10, 1_000)).toBe(500);
  });

  it('with the most tokens are forgotten next: whoever is in debt stays in debt', () => {
    const buckets = createBuckets(RATE, 16);
    buckets.take('debtor', 1_000, 0);
    for (let key = 0; key < 200; key++) buckets.take(`visitor ${key}`, 1, 0);
    expect(buckets.size).toBeLessThanOrEqual(16);
    expect(buckets.waitMs('debtor', 0, 0)).toBe(99_000);
  });
});
