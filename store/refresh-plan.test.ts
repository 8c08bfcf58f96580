import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adaptSlice,
  horizonOf,
  planRollup,
  takeNewest,
  takeOldest,
  unite,
  type Window,
} from './refresh-plan.ts';

const BUCKET = 10;

const rollup = (more: object = {}) => ({
  name: 'rollup_1m',
  ordinal: 20,
  bucketUs: BUCKET,
  materialisedBeforeUs: 100,
  refreshableFromUs: Number.NEGATIVE_INFINITY,
  ...more,
});
const claim = (startUs: number, endUs: number, refreshed = 0) => ({
  id: '1',
  startUs,
  endUs,
  refreshed,
});
const window = (startUs: number, endUs: number): Window => ({ startUs, endUs });

describe('the plan of a rollup', () => {
  const base = { claims: [], lateBeforeUs: 137, oldestUs: 3 };
  it.each([
    ['goes on where it stopped, by whole buckets', {}, [], window(100, 130)],
    ['is empty where nothing is new', { lateBeforeUs: 109 }, [], undefined],
    [
      'begins with the oldest reading',
      { rollup: rollup({ materialisedBeforeUs: Number.NEGATIVE_INFINITY }) },
      [],
      window(0, 130),
    ],
    [
      'is empty where there is no reading',
      { rollup: rollup({ materialisedBeforeUs: Number.NEGATIVE_INFINITY }), oldestUs: undefined },
      [],
      undefined,
    ],
    [
      'widens dirty ranges to buckets',
      { claims: [claim(12, 28)] },
      [window(10, 30)],
      window(100, 130),
    ],
    [
      'newest first',
      { claims: [claim(10, 20), claim(50, 60)] },
      [window(50, 60), window(10, 20)],
      window(100, 130),
    ],
    [
      'joins them',
      { claims: [claim(12, 14), claim(21, 22), claim(15, 29)] },
      [window(10, 30)],
      window(100, 130),
    ],
    ['leaves out what it has refreshed', { claims: [claim(12, 14, 20)] }, [], window(100, 130)],
    [
      'cuts off what is not materialised yet',
      { claims: [claim(95, 135)] },
      [window(90, 100)],
      window(100, 130),
    ],
    [
      'stays above what its source still holds',
      { rollup: rollup({ refreshableFromUs: 35 }), claims: [claim(0, 60)] },
      [window(40, 60)],
      window(100, 130),
    ],
    [
      'and does not move back when the horizon does',
      { lateBeforeUs: 50, claims: [claim(12, 14)] },
      [window(10, 20)],
      undefined,
    ],
  ] as const)('%s', (_name, input, stale, fresh) => {
    expect(planRollup({ rollup: rollup(), ...base, ...input })).toEqual({ stale, fresh });
  });

  it('has a horizon at whole buckets behind the present', () => {
    expect(horizonOf(1_000_123, 60, 50)).toBe(1_000_050);
  });
});

describe('slices', () => {
  const windows = fc
    .array(fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 20 })), { maxLength: 12 })
    .map((pairs) => unite(pairs.map(([start, n]) => window(start * BUCKET, (start + n) * BUCKET))));

  it('from the newest on cover exactly the windows, and gaps between windows of one slice', () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: 1, max: 30 }), (given, buckets) => {
        const sliceUs = buckets * BUCKET;
        const covered = new Set<number>();
        let before = Number.POSITIVE_INFINITY;
        let next = takeNewest(given, sliceUs);
        while (next !== undefined) {
          const { startUs, endUs } = next.slice;
          expect(endUs).toBeLessThanOrEqual(before);
          expect(startUs).toBeLessThan(endUs);
          expect(endUs - startUs).toBeLessThanOrEqual(sliceUs);
          before = startUs;
          for (let at = startUs; at < endUs; at += BUCKET) covered.add(at);
          expect(
            given.some((w) => w.endUs === endUs || (w.startUs < endUs && endUs < w.endUs)),
          ).toBe(true);
          expect(given.some((w) => w.startUs <= startUs && startUs < w.endUs)).toBe(true);
          next = takeNewest(next.rest, sliceUs);
        }
        for (const { startUs, endUs } of given) {
          for (let at = startUs; at < endUs; at += BUCKET) expect(covered).toContain(at);
        }
      }),
    );
  });

  it('from the oldest on cover the window without gaps', () => {
    expect(takeOldest(window(0, 25), 10)).toEqual({ slice: window(0, 10), rest: window(10, 25) });
    expect(takeOldest(window(20, 25), 10)).toEqual({ slice: window(20, 25), rest: undefined });
  });

  it.each([
    ['grow where a full one was quick', 100, window(0, 100), 49, 200],
    ['stay where one was not full', 100, window(0, 90), 1, 100],
    ['stay where the time was about right', 100, window(0, 100), 80, 100],
    ['are halved where it was a little over', 100, window(0, 100), 101, 50],
    ['shrink to what would have been in time', 100, window(0, 100), 500, 20],
    ['are never less than a bucket', 100, window(0, 100), 1e6, 10],
    ['are never more than so many buckets', 10240, window(0, 10240), 1, 10240],
  ])('%s', (_name, sliceUs, slice, tookMs, expected) => {
    expect(adaptSlice(sliceUs, slice, tookMs, 100, BUCKET)).toBe(expected);
  });
});
