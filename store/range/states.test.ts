// What states say of time, against asking at every moment what held.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Buckets, bucketFinder, bucketsBetween, domainOf, edgeUs } from './buckets.ts';
import {
  addIntervalPoints,
  addTimeInStatePoints,
  createIntervalTable,
  createTimeInStateTable,
  gridWithin,
  type IntervalColumns,
  intervalColumns,
  onGrid,
  timeInStateColumns,
} from './states.ts';

const STATES = ['idle', 'drilling', 'a "b"', '__proto__'];

interface Point {
  readonly t: number;
  readonly v: string;
}

const edges = fc
  .uniqueArray(fc.integer({ min: -60, max: 60 }), { minLength: 2, maxLength: 12 })
  .map((list) => bucketsBetween(Float64Array.from(list.sort((a, b) => a - b))));
const uniform = fc
  .record({ startUs: fc.integer({ min: -60, max: 0 }), stepUs: fc.integer({ min: 1, max: 20 }) })
  .map(({ startUs, stepUs }) => ({ kind: 'uniform', startUs, stepUs, count: 5 }) as const);
const points = fc
  .uniqueArray(fc.record({ t: fc.integer({ min: -60, max: 70 }), v: fc.constantFrom(...STATES) }), {
    selector: ({ t }) => t,
    maxLength: 60,
  })
  .map((list) => list.sort((a, b) => a.t - b.t));
const story = fc.record({
  buckets: fc.oneof(edges, uniform) as fc.Arbitrary<Buckets>,
  points,
  before: fc.option(fc.constantFrom(...STATES), { nil: undefined }),
  nowUs: fc.integer({ min: -70, max: 130 }),
  cuts: fc.array(fc.nat({ max: 60 }), { maxLength: 3 }),
});

/** The points of [startUs, endUs) in slices, as statements give them. */
function slices(all: readonly Point[], startUs: number, endUs: number, cuts: readonly number[]) {
  const inside = all.filter(({ t }) => t >= startUs && t < endUs);
  const ends = [0, ...cuts, inside.length].sort((a, b) => a - b);
  return ends.slice(1).map((end, i) => {
    const slice = inside.slice(ends[i], end);
    return { t: slice.map(({ t }) => t), v: slice.map(({ v }) => v) };
  });
}

/** What held at a moment of the domain. */
function stateAt(all: readonly Point[], startUs: number, before: string | undefined, us: number) {
  return all.findLast(({ t }) => t >= startUs && t <= us)?.v ?? before;
}

/** Intervals read moment by moment. */
function momentByMoment(columns: IntervalColumns, us: number): string | undefined {
  const row = columns.start.findIndex((start, i) => us >= start && us < columns.end[i]!);
  return columns.value[row];
}

function expectTidy({ value, start, end }: IntervalColumns): void {
  for (let row = 0; row < value.length; row++) {
    expect(end[row]).toBeGreaterThan(start[row]!);
    if (row === 0) continue;
    expect(start[row]).toBe(end[row - 1]);
    expect(value[row]).not.toBe(value[row - 1]);
  }
}

describe('intervals', () => {
  it('say of every moment what held then, and are as few as can be', () => {
    fc.assert(
      fc.property(story, ({ buckets, points, before, nowUs, cuts }) => {
        const domain = domainOf(buckets);
        const span = { ...domain, endUs: Math.min(domain.endUs, nowUs) };
        fc.pre(span.endUs > span.startUs);
        const table = createIntervalTable(span, undefined, before);
        for (const { t, v } of slices(points, span.startUs, span.endUs, cuts)) {
          addIntervalPoints(table, t, v);
        }
        const columns = intervalColumns(table);
        expectTidy(columns);
        for (let us = span.startUs - 1; us <= span.endUs; us++) {
          const known = us >= span.startUs && us < span.endUs;
          const held = known ? stateAt(points, span.startUs, before, us) : undefined;
          expect(momentByMoment(columns, us)).toBe(held);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('on a grid say of every bucket what held at its end, and nothing finer', () => {
    fc.assert(
      fc.property(story, ({ buckets, points, before, nowUs, cuts }) => {
        const domain = domainOf(buckets);
        const span = { ...domain, endUs: Math.min(domain.endUs, nowUs) };
        fc.pre(span.endUs > span.startUs);
        const table = createIntervalTable(span, buckets, before);
        for (const { t, v } of slices(points, span.startUs, span.endUs, cuts)) {
          addIntervalPoints(table, t, v);
        }
        const columns = intervalColumns(table);
        expectTidy(columns);
        const slotOf = bucketFinder(buckets);
        for (let us = span.startUs; us < span.endUs; us++) {
          const endUs = Math.min(edgeUs(buckets, slotOf(us) + 1), span.endUs);
          const held = stateAt(points, span.startUs, before, endUs - 1);
          expect(momentByMoment(columns, us)).toBe(held);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('made coarser midway are those that the points would have given, within the budget', () => {
    fc.assert(
      fc.property(
        story,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 4 }),
        ({ points, before, cuts }, intervalsMax, grainUs) => {
          const span = { startUs: -60, endUs: 60 };
          const grid = gridWithin(span, intervalsMax, grainUs);
          expect(grid.stepUs % grainUs).toBe(0);
          expect(domainOf(grid).endUs).toBeGreaterThanOrEqual(span.endUs);
          const grain = { kind: 'uniform', startUs: -60, stepUs: grainUs, count: 120 } as const;
          const direct = createIntervalTable(span, grid, before);
          let coarsened = createIntervalTable(span, grain, before);
          for (const [i, { t, v }] of slices(points, -60, 60, cuts).entries()) {
            addIntervalPoints(direct, t, v);
            addIntervalPoints(coarsened, t, v);
            if (i === 0) coarsened = onGrid(coarsened, grid);
          }
          expect(intervalColumns(coarsened)).toEqual(intervalColumns(direct));
          expect(direct.starts.length).toBeLessThanOrEqual(intervalsMax);
        },
      ),
    );
  });
});

describe('time in state', () => {
  it('counts every moment of a bucket that is known, and no other', () => {
    fc.assert(
      fc.property(story, ({ buckets, points, before, nowUs, cuts }) => {
        const { startUs, endUs } = domainOf(buckets);
        const untilUs = Math.min(endUs, nowUs);
        const table = createTimeInStateTable(buckets, before, nowUs);
        for (const { t, v } of slices(points, startUs, untilUs, cuts)) {
          addTimeInStatePoints(table, t, v);
        }
        const columns = timeInStateColumns(table);
        const expected: [number, Record<string, number>][] = [];
        for (let slot = 0; slot < buckets.count; slot++) {
          const spent = new Map<string, number>();
          const until = Math.min(edgeUs(buckets, slot + 1), untilUs);
          for (let us = edgeUs(buckets, slot); us < until; us++) {
            const held = stateAt(points, startUs, before, us);
            if (held !== undefined) spent.set(held, (spent.get(held) ?? 0) + 1);
          }
          const ms = Array.from(spent, ([state, us]) => [state, us / 1_000] as const);
          if (ms.length > 0) expected.push([edgeUs(buckets, slot), Object.fromEntries(ms)]);
        }
        const got = columns.states.map((text, i) => [columns.t[i], JSON.parse(text)]);
        expect(got).toEqual(expected);
        expect(table.characters).toBe(columns.states.join('').length);
      }),
      { numRuns: 300 },
    );
  });
});
