import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adaptSlice,
  gatherPatches,
  horizonOf,
  planFresh,
  rollupEnd,
  type StalePatch,
  seriesOf,
  sizeOf,
  staleWindow,
  takeNewest,
  takeOldest,
  takeSlice,
  type Window,
} from './refresh-plan.ts';

const BUCKET = 10;

const rollup = (more: object = {}) => ({
  family: 'm4' as const,
  ordinal: 30,
  bucketUs: BUCKET,
  materialisedBeforeUs: 100,
  refreshableFromUs: Number.NEGATIVE_INFINITY,
  ...more,
});
const window = (startUs: number, endUs: number): Window => ({ startUs, endUs });
let nextId = 1;
const claim = (seriesId: number, startUs: number, endUs: number) => ({
  id: `${nextId++}`,
  seriesId,
  startUs,
  endUs,
});

describe('what is made for the first time', () => {
  const base = { rollup: rollup(), rollups: [], lateBeforeUs: 137, oldestUs: 3 };
  const nothing = { materialisedBeforeUs: Number.NEGATIVE_INFINITY };
  const finer = (more: object) => rollup({ ordinal: 20, bucketUs: 1, ...more });
  it.each([
    ['goes on where it stopped, by whole buckets', {}, window(100, 130)],
    ['is nothing where no bucket is whole', { lateBeforeUs: 109 }, undefined],
    ['begins with the oldest reading', { rollup: rollup(nothing) }, window(0, 130)],
    ['is nothing without readings', { rollup: rollup(nothing), oldestUs: undefined }, undefined],
    [
      'stays above what the source holds',
      { rollup: rollup({ refreshableFromUs: 105 }) },
      window(110, 130),
    ],
    ['does not move back when the horizon does', { lateBeforeUs: 50 }, undefined],
    [
      'waits for the finer one',
      { rollups: [finer({ materialisedBeforeUs: 125 })] },
      window(100, 120),
    ],
    [
      'does not wait for coarser ones, nor for another family',
      { rollups: [rollup({ ordinal: 40, ...nothing }), finer({ family: 'path', ...nothing })] },
      window(100, 130),
    ],
  ] as const)('%s', (_name, input, expected) => {
    expect(planFresh({ ...base, ...input })).toEqual(expected);
  });

  it('counts as materialised up to the horizon where there is nothing to make', () => {
    const empty = { ...base, rollup: rollup(nothing), oldestUs: undefined };
    expect(rollupEnd(empty)).toBe(130);
    expect(horizonOf(1_000_123, 60, 50)).toBe(1_000_050);
  });

  it('is taken from the oldest on, without gaps', () => {
    expect(takeOldest(window(0, 30), 2, 10)).toEqual({
      window: window(0, 20),
      rest: window(20, 30),
    });
    expect(takeOldest(window(20, 30), 2, 10)).toEqual({ window: window(20, 30), rest: undefined });
  });
});

describe('what is stale of a rollup', () => {
  it.each([
    ['is whole buckets', window(12, 28), {}, window(10, 30)],
    ['ends where it is materialised', window(95, 135), {}, window(90, 100)],
    ['is nothing beyond', window(100, 135), {}, undefined],
    ['stays above what the source holds', window(0, 60), { refreshableFromUs: 35 }, window(40, 60)],
    ['is nothing below', window(0, 30), { refreshableFromUs: 35 }, undefined],
  ] as const)('%s', (_name, patch, more, expected) => {
    expect(staleWindow(patch, rollup(more))).toEqual(expected);
  });
});

describe('patches', () => {
  const shapes = (patches: readonly StalePatch[]) =>
    patches.map((patch) => [patch.startUs, patch.endUs, seriesOf(patch)]);

  it.each([
    [
      'hold the channels of a rig together',
      [claim(1, 0, 9000), claim(2, 5, 8990), claim(3, 0, 9010)],
      [[0, 9010, [1, 2, 3]]],
    ],
    [
      'come newest first, those apart alone',
      [claim(1, 0, 10), claim(2, 90_000, 90_010)],
      [
        [90_000, 90_010, [2]],
        [0, 10, [1]],
      ],
    ],
    ['hold neighbours', [claim(1, 0, 10), claim(2, 50, 60)], [[0, 60, [1, 2]]]],
    [
      'do not hold a long one of one series and a short one of many others',
      [claim(1, 0, 90_000), ...[2, 3, 4, 5].map((id) => claim(id, 89_990, 90_000))],
      [
        [89_990, 90_000, [2, 3, 4, 5]],
        [0, 90_000, [1]],
      ],
    ],
  ] as const)('%s', (_name, claims, expected) => {
    expect(shapes(gatherPatches(claims, BUCKET))).toEqual(expected);
  });

  const claims = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(3000), fc.integer({ min: 1, max: 400 })))
    .map((rows) => rows.map(([id, start, n]) => claim(id, start * BUCKET, (start + n) * BUCKET)));

  it('hold every mark once, and at most twice what is dirty unless they are small', () => {
    fc.assert(
      fc.property(claims, (given) => {
        const patches = gatherPatches(given, BUCKET);
        const held = patches.flatMap((patch) => patch.claims.map(({ id }) => id));
        expect(held.sort()).toEqual(given.map(({ id }) => id).sort());
        for (const patch of patches) {
          const dirty = patch.claims.reduce(
            (sum, one) => sum + (one.endUs - one.startUs) / BUCKET,
            0,
          );
          const size = sizeOf({ ...patch, seriesIds: seriesOf(patch) }, BUCKET);
          expect(size).toBeLessThanOrEqual(Math.max(128, 2 * dirty));
        }
      }),
    );
  });

  it('are worked off from the newest on, so that what is left of each mark lies before the cut', () => {
    fc.assert(
      fc.property(claims, fc.integer({ min: 1, max: 500 }), (given, bucketsMax) => {
        for (const patch of gatherPatches(given, BUCKET)) {
          let endUs = patch.endUs;
          const open = new Map(patch.claims.map((one) => [one.id, one.endUs]));
          for (let rest: StalePatch | undefined = patch; rest !== undefined; ) {
            const taken: ReturnType<typeof takeNewest> = takeNewest(rest, bucketsMax, BUCKET);
            const { piece } = taken;
            expect(piece.endUs).toBe(endUs);
            endUs = piece.startUs;
            for (const { id } of piece.claims) open.set(id, Math.min(open.get(id)!, endUs));
            rest = taken.rest;
          }
          for (const { id, startUs } of patch.claims)
            expect(open.get(id)).toBeLessThanOrEqual(startUs);
        }
      }),
    );
  });
});

describe('slices', () => {
  it('cover series and time exactly once, each within its size', () => {
    const given = fc.record({
      series: fc.integer({ min: 1, max: 30 }),
      buckets: fc.integer({ min: 1, max: 30 }),
      sizeMax: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(given, ({ series, buckets, sizeMax }) => {
        const seriesIds = Array.from({ length: series }, (_, i) => i + 1);
        const left = [
          { seriesIds, startUs: 0, endUs: buckets * BUCKET } as Parameters<typeof takeSlice>[0],
        ];
        const covered: string[] = [];
        for (let next = left.pop(); next !== undefined; next = left.pop()) {
          const { slice, rest } = takeSlice(next, sizeMax, BUCKET);
          left.push(...rest);
          expect(sizeOf(slice, BUCKET)).toBeLessThanOrEqual(sizeMax);
          for (const id of slice.seriesIds) {
            for (let at = slice.startUs; at < slice.endUs; at += BUCKET)
              covered.push(`${id}@${at}`);
          }
        }
        expect(new Set(covered).size).toBe(covered.length);
        expect(covered).toHaveLength(series * buckets);
      }),
    );
  });

  it.each([
    ['grow where a full one was quick', 100, 100, 49, 200],
    ['stay where one was not full', 100, 40, 1, 100],
    ['stay where the time was about right', 100, 100, 80, 100],
    ['are halved where it was a little over', 100, 100, 101, 50],
    ['shrink to what would have been in time', 100, 100, 500, 20],
    ['are never less than a bucket', 100, 100, 1e6, 1],
    ['are never more than so many buckets', 65_536, 65_536, 1, 65_536],
  ])('%s', (_name, sizeMax, size, tookMs, expected) => {
    expect(adaptSlice(sizeMax, size, tookMs, 100)).toBe(expected);
  });
});
