import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketFinder,
  bucketsBetween,
  domainOf,
  edgeUs,
  isMadeOf,
  uniformBuckets,
} from './buckets.ts';

const edges = fc
  .uniqueArray(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 2, maxLength: 30 })
  .map((list) => Float64Array.from(list.sort((a, b) => a - b)));

describe('buckets', () => {
  it('are found for any time of the domain, in any order', () => {
    fc.assert(
      fc.property(
        edges,
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (edgesUs, parts) => {
          const buckets = bucketsBetween(edgesUs);
          const { startUs, endUs } = domainOf(buckets);
          const find = bucketFinder(buckets);
          for (const part of parts) {
            const timeUs = startUs + part * (endUs - startUs);
            const bucket = find(timeUs);
            expect(edgeUs(buckets, bucket)).toBeLessThanOrEqual(timeUs);
            expect(edgeUs(buckets, bucket + 1)).toBeGreaterThan(timeUs);
          }
        },
      ),
    );
  });

  it('of one length are uniform, whoever gave their edges', () => {
    const buckets = bucketsBetween(Float64Array.of(-10, 0, 10, 20));
    expect(buckets).toEqual({ kind: 'uniform', startUs: -10, stepUs: 10, count: 3 });
    expect(uniformBuckets({ stepUs: 10, originUs: 0 }, -3, 11)).toEqual(buckets);
  });

  it('are made of shorter ones where every edge is one of theirs', () => {
    expect(isMadeOf(bucketsBetween(Float64Array.of(0, 30, 90)), 30)).toBe(true);
    expect(isMadeOf(bucketsBetween(Float64Array.of(0, 30, 75)), 30)).toBe(false);
    expect(isMadeOf(uniformBuckets({ stepUs: 60, originUs: 15 }, 0, 100), 30)).toBe(false);
  });
});
