import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { uniformBuckets } from './buckets.ts';
import {
  type DirtyRange,
  isComplete,
  overlaySegments,
  planRange,
  type RollupState,
} from './plan.ts';
import type { RangeSegment } from './range.ts';

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;

function rollups(horizons: Partial<Record<string, number>>): RollupState[] {
  const levels = [
    { level: '1m', ordinal: 20, bucketUs: MINUTE_US },
    { level: '15m', ordinal: 30, bucketUs: 15 * MINUTE_US },
    { level: '1h', ordinal: 40, bucketUs: HOUR_US },
    { level: '1d', ordinal: 50, bucketUs: DAY_US },
  ];
  return levels.map((one) => ({
    ...one,
    name: `rollup_${one.level}`,
    materialisedBeforeUs: horizons[one.level] ?? Number.NEGATIVE_INFINITY,
  }));
}

const cut = (startUs: number, endUs: number, stepUs: number) =>
  uniformBuckets({ stepUs, originUs: 0 }, startUs, endUs);

/** Segments as `level start end`, in hours. */
function described(segments: readonly RangeSegment[]): string[] {
  return segments.map((one) => `${one.level} ${one.startUs / HOUR_US} ${one.endUs / HOUR_US}`);
}

describe('a plan', () => {
  const all = rollups({ '1m': 9.75 * HOUR_US, '15m': 9.75 * HOUR_US, '1h': 9 * HOUR_US });
  const cases: [string, number, DirtyRange[], string[]][] = [
    [
      'takes the coarsest level, and finer ones towards now',
      HOUR_US,
      [],
      ['1h 0 9', '15m 9 9.75', 'raw 9.75 12'],
    ],
    [
      'takes no level that does not make up the step',
      20 * MINUTE_US,
      [],
      ['1m 0 9.75', 'raw 9.75 12'],
    ],
    ['takes raw points below the finest bucket', 30_000_000, [], ['raw 0 12']],
    [
      'goes around what is stale, to whole buckets of each level',
      HOUR_US,
      [{ startUs: 3.6 * HOUR_US, endUs: 3.61 * HOUR_US, refreshed: 0 }],
      [
        '1h 0 3',
        '15m 3 3.5',
        ...['1m 3.5 3.6', 'raw 3.6 3.6166666666666667', '1m 3.6166666666666667 3.75'],
        '15m 3.75 4',
        '1h 4 9',
        '15m 9 9.75',
        'raw 9.75 12',
      ],
    ],
    [
      'trusts a level that was refreshed since',
      HOUR_US,
      [{ startUs: 3.6 * HOUR_US, endUs: 3.61 * HOUR_US, refreshed: 30 }],
      ['1h 0 3', '15m 3 4', '1h 4 9', '15m 9 9.75', 'raw 9.75 12'],
    ],
    [
      'forgets what is stale outside the domain',
      HOUR_US,
      [
        { startUs: -5 * HOUR_US, endUs: -4 * HOUR_US, refreshed: 0 },
        { startUs: 50 * HOUR_US, endUs: 60 * HOUR_US, refreshed: 0 },
      ],
      ['1h 0 9', '15m 9 9.75', 'raw 9.75 12'],
    ],
  ];
  test.each(cases)('%s', (_, stepUs, dirty, expected) => {
    const plan = planRange({
      buckets: cut(1, 12 * HOUR_US - 1, stepUs),
      rollups: all,
      dirty,
    });
    expect(described(plan.segments)).toEqual(expected);
    expect(Object.isFrozen(plan)).toBe(true);
  });

  it('names the coarsest level that it uses', () => {
    const request = { buckets: cut(0, 12 * HOUR_US, HOUR_US), dirty: [] };
    expect(planRange({ ...request, rollups: all }).level).toBe('1h');
    expect(planRange({ ...request, rollups: rollups({}) }).level).toBe('raw');
  });

  it('reads what was dropped from the rollup that kept it, stale or not', () => {
    const [rollup] = rollups({ '1m': DAY_US });
    const kept = { ...rollup!, refreshableFromUs: 2 * HOUR_US };
    const dirty = [{ startUs: HOUR_US, endUs: 3 * HOUR_US, refreshed: 0 }];
    const { segments } = planRange({
      buckets: cut(0, 4 * HOUR_US, HOUR_US),
      ...{ rollups: [kept], dirty },
    });
    expect(described(segments)).toEqual(
      described([
        { level: '1m', startUs: 0, endUs: 2 * HOUR_US },
        { level: 'raw', startUs: 2 * HOUR_US, endUs: 3 * HOUR_US },
        { level: '1m', startUs: 3 * HOUR_US, endUs: 4 * HOUR_US },
      ]),
    );
    expect(isComplete(segments, [kept])).toBe(true);
  });

  it('is complete unless a segment begins where its level has been dropped', () => {
    const [minutes, , hours] = rollups({ '1m': DAY_US, '1h': DAY_US });
    const levels = [
      { ...minutes!, refreshableFromUs: 5 * HOUR_US },
      { ...hours!, refreshableFromUs: 2 * HOUR_US },
    ];
    const complete = (level: string, hour: number) =>
      isComplete([{ level, startUs: hour * HOUR_US, endUs: 9 * HOUR_US }], levels);
    expect([complete('raw', 4), complete('raw', 5)]).toEqual([false, true]);
    expect([complete('1m', 1), complete('1m', 2)]).toEqual([false, true]);
    expect(complete('1h', 0)).toBe(true);
  });

  it('of unequal buckets takes the coarsest level that every edge is an edge of', () => {
    const edges = (...hours: number[]) => ({
      kind: 'unequal' as const,
      edgesUs: Float64Array.from(hours, (hour) => Math.round(hour * HOUR_US)),
      count: hours.length - 1,
    });
    const levels = rollups({ '1m': DAY_US, '15m': DAY_US, '1h': DAY_US });
    const level = (...hours: number[]) =>
      planRange({ buckets: edges(...hours), rollups: levels, dirty: [] }).level;
    expect(level(0, 4, 9)).toBe('1h');
    expect(level(0.5, 4.5, 9.5)).toBe('15m');
    expect(level(0, 4.1, 9)).toBe('1m');
  });

  it('keeps a bounded number of segments however many ranges are stale', () => {
    const dirty = Array.from({ length: 5000 }, (_, day) => ({
      startUs: (day * 24 + 12) * HOUR_US,
      endUs: (day * 24 + 12) * HOUR_US + MINUTE_US,
      refreshed: 0,
    }));
    const materialised = 5000 * DAY_US;
    const plan = planRange({
      buckets: cut(0, materialised, HOUR_US),
      rollups: rollups({ '1m': materialised, '15m': materialised, '1h': materialised }),
      dirty,
    });
    expect(plan.segments.length).toBeLessThan(1000);
  });
});

const minutes = fc.integer({ min: 0, max: 3 * 24 * 60 });
const horizon = fc.oneof(
  { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  { weight: 4, arbitrary: minutes.map((minute) => minute * MINUTE_US) },
);
const dirtyRange = fc
  .tuple(minutes, fc.integer({ min: 1, max: 90 * MINUTE_US }), fc.constantFrom(0, 20, 30, 40, 50))
  .map(([minute, length, refreshed]) => ({
    startUs: minute * MINUTE_US + 7,
    endUs: minute * MINUTE_US + 7 + length,
    refreshed,
  }));
const request = fc.record({
  startUs: minutes.map((minute) => minute * MINUTE_US + 13),
  spanUs: fc.integer({ min: 1, max: 2 * DAY_US }),
  stepUs: fc.constantFrom(30_000_000, MINUTE_US, 5 * MINUTE_US, 15 * MINUTE_US, HOUR_US, DAY_US),
  horizons: fc.record({ '1m': horizon, '15m': horizon, '1h': horizon, '1d': horizon }),
  dirty: fc.array(dirtyRange, { maxLength: 6 }),
});

describe('for whatever state the rollups are in', () => {
  const planned = (input: typeof request extends fc.Arbitrary<infer T> ? T : never) => {
    const levels = rollups(input.horizons);
    const plan = planRange({
      buckets: cut(input.startUs, input.startUs + input.spanUs, input.stepUs),
      rollups: levels,
      dirty: input.dirty,
    });
    return { levels, plan };
  };

  it('segments cover the domain without gaps, and neighbours differ', () => {
    fc.assert(
      fc.property(request, (input) => {
        const { plan } = planned(input);
        let reachedUs = plan.startUs;
        let before = '';
        for (const segment of plan.segments) {
          expect(segment.startUs).toBe(reachedUs);
          expect(segment.endUs).toBeGreaterThan(segment.startUs);
          expect(segment.level).not.toBe(before);
          reachedUs = segment.endUs;
          before = segment.level;
        }
        expect(reachedUs).toBe(plan.endUs);
      }),
      { numRuns: 300 },
    );
  });

  it('a rollup serves only whole buckets that are materialised, not stale, and make up the step', () => {
    fc.assert(
      fc.property(request, (input) => {
        const { plan, levels } = planned(input);
        for (const segment of plan.segments) {
          const rollup = levels.find(({ level }) => level === segment.level);
          if (rollup === undefined) continue;
          expect(input.stepUs % rollup.bucketUs).toBe(0);
          expect(segment.startUs % rollup.bucketUs).toBe(0);
          expect(segment.endUs % rollup.bucketUs).toBe(0);
          expect(segment.endUs).toBeLessThanOrEqual(rollup.materialisedBeforeUs);
          const stale = input.dirty.filter(({ refreshed }) => refreshed < rollup.ordinal);
          for (const range of stale) {
            const apart = range.endUs <= segment.startUs || range.startUs >= segment.endUs;
            expect(apart).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('without stale ranges, each stretch has the coarsest level that can serve it', () => {
    fc.assert(
      fc.property(request, (input) => {
        const { plan, levels } = planned({ ...input, dirty: [] });
        for (const segment of plan.segments) {
          const coarser = levels
            .filter(({ bucketUs }) => input.stepUs % bucketUs === 0)
            .filter(({ bucketUs, materialisedBeforeUs }) => {
              const bucketStartUs = Math.floor(segment.startUs / bucketUs) * bucketUs;
              return bucketStartUs + bucketUs <= materialisedBeforeUs;
            });
          expect(coarser.at(-1)?.level ?? 'raw').toBe(segment.level);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('two plans of one domain, laid over each other', () => {
  const widths: Record<string, number> = { raw: 0, '1m': 1, '1h': 2 };
  const finer = (a: string, b: string) => (widths[a]! <= widths[b]! ? a : b);
  const cutting = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 99 }), fc.constantFrom('raw', '1m', '1h')),
  );
  const segmentsOf = (cuts: [number, string][]): RangeSegment[] => {
    const starts = [...new Map([[0, 'raw'] as [number, string], ...cuts])].sort(
      (a, b) => a[0] - b[0],
    );
    return starts.map(([startUs, level], index) => ({
      level,
      startUs,
      endUs: starts[index + 1]?.[0] ?? 100,
    }));
  };
  const levelAt = (segments: readonly RangeSegment[], time: number) =>
    segments.find(({ startUs, endUs }) => startUs <= time && time < endUs)!.level;

  it('show the finer level everywhere', () => {
    fc.assert(
      fc.property(cutting, cutting, (a, b) => {
        const [one, other] = [segmentsOf(a), segmentsOf(b)];
        const both = overlaySegments(one, other, finer);
        for (let time = 0; time < 100; time++) {
          expect(levelAt(both, time)).toBe(finer(levelAt(one, time), levelAt(other, time)));
        }
      }),
    );
  });
});
