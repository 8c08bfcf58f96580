import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformBuckets } from './buckets.ts';
import {
  addM4Rows,
  addPoints,
  addStates,
  addStats,
  countBetween,
  createM4Table,
  createStateTable,
  forgetStats,
  type M4Rows,
  type M4Table,
  m4Columns,
  stateColumns,
  unsummedSlots,
} from './merge.ts';

const STEP_US = 60;
const SLOTS = 10;

interface Point {
  readonly timeUs: number;
  readonly value: number;
}

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(0, -0, 1e300, -1e300, 5e-324, 1e139),
);
const points = fc
  .uniqueArray(fc.record({ timeUs: fc.integer({ min: 0, max: STEP_US * SLOTS - 1 }), value }), {
    selector: ({ timeUs }) => timeUs,
    maxLength: 80,
  })
  .map((list): readonly Point[] => list);

function add(table: M4Table, list: readonly Point[]): M4Table {
  const times = Float64Array.from(list, ({ timeUs }) => timeUs);
  addPoints(
    table,
    times,
    Float64Array.from(list, (point) => point.value),
  );
  return table;
}

const cut = (stepUs: number) => uniformBuckets({ stepUs, originUs: 0 }, 0, STEP_US * SLOTS);
const table = (stepUs = STEP_US) => createM4Table(cut(stepUs), true);

/** Rollup rows as a database would hold them: the columns of a table of finer buckets. */
function rollupRows(list: readonly Point[], bucketUs: number): M4Rows {
  const { stats, ...columns } = m4Columns(add(table(bucketUs), list));
  return { ...columns, ...stats! };
}

describe('merging', () => {
  it('gives the same as brute force over all points', () => {
    fc.assert(
      fc.property(points, (list) => {
        const columns = m4Columns(add(table(), list));
        for (const [row, t] of columns.t.entries()) {
          const inside = list
            .filter(({ timeUs }) => timeUs >= t && timeUs < t + STEP_US)
            .sort((a, b) => a.timeUs - b.timeUs);
          const values = inside.map((point) => point.value);
          expect(columns.first[row]).toBe(inside[0]!.value);
          expect(columns.tFirst[row]).toBe(inside[0]!.timeUs);
          expect(columns.last[row]).toBe(inside.at(-1)!.value);
          expect(columns.tLast[row]).toBe(inside.at(-1)!.timeUs);
          expect(columns.min[row]! === Math.min(...values)).toBe(true);
          expect(columns.max[row]! === Math.max(...values)).toBe(true);
          const [tMin, tMax] = [columns.tMin[row], columns.tMax[row]];
          expect(inside.find(({ timeUs }) => timeUs === tMin)!.value).toBe(columns.min[row]);
          expect(inside.find(({ timeUs }) => timeUs === tMax)!.value).toBe(columns.max[row]);
          expect(columns.stats!.count[row]).toBe(inside.length);
        }
        const filled = new Set(list.map(({ timeUs }) => Math.floor(timeUs / STEP_US) * STEP_US));
        expect([...columns.t]).toEqual([...filled].sort((a, b) => a - b));
      }),
      { numRuns: 200 },
    );
  });

  it('does not matter which points come as rows of which rollup, nor in which order', () => {
    const level = fc.constantFrom(0, 5, 20, 60);
    const parts = fc.array(level, { minLength: SLOTS, maxLength: SLOTS });
    fc.assert(
      fc.property(points, parts, fc.boolean(), (list, levels, backwards) => {
        const merged = table();
        const slots = levels.map((bucketUs, slot) => ({ bucketUs, slot }));
        for (const { bucketUs, slot } of backwards ? slots.toReversed() : slots) {
          const inside = list.filter(({ timeUs }) => Math.floor(timeUs / STEP_US) === slot);
          if (bucketUs === 0) add(merged, inside);
          else addM4Rows(merged, rollupRows(inside, bucketUs));
        }
        const { stats, ...columns } = m4Columns(merged);
        const { stats: expectedStats, ...expected } = m4Columns(add(table(), list));
        // Of equal extremes either time is right, and 0 and -0 are equal.
        for (const name of ['t', 'first', 'tFirst', 'last', 'tLast'] as const) {
          expect(columns[name]).toEqual(expected[name]);
        }
        expect(columns.min.map((x) => x + 0)).toEqual(expected.min.map((x) => x + 0));
        expect(columns.max.map((x) => x + 0)).toEqual(expected.max.map((x) => x + 0));
        expect(stats!.count).toEqual(expectedStats!.count);
        for (const [row, t] of columns.t.entries()) {
          const inside = list.filter(({ timeUs }) => timeUs >= t && timeUs < t + STEP_US);
          const magnitude = inside.reduce((sum, point) => sum + Math.abs(point.value), 0);
          const [a, b] = [stats!.sum[row]!, expectedStats!.sum[row]!];
          // What is beyond a float on the way is not held to anything.
          expect(!Number.isFinite(magnitude) || Math.abs(a - b) <= 1e-12 * magnitude).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the deviation of a small noise on a large value', () => {
    const list = Array.from({ length: 60 }, (_, timeUs) => ({ timeUs, value: 1e9 + (timeUs % 2) }));
    const merged = table();
    addM4Rows(merged, rollupRows(list.slice(0, 40), 5));
    add(merged, list.slice(40));
    const { stats } = m4Columns(merged);
    expect(Math.sqrt(stats!.squares[0]! / stats!.count[0]!)).toBeCloseTo(0.5, 6);
  });

  it('sums values that are too large to be squared, and again where a rollup left them out', () => {
    const list = [
      { timeUs: 1, value: 1e200 },
      { timeUs: 2, value: 1 },
    ];
    const merged = add(table(), list);
    expect(m4Columns(merged).stats!.sum[0]).toBe(1e200);

    merged.stats!.sum[0] = Number.NaN;
    expect(unsummedSlots(merged)).toEqual([0]);
    expect(countBetween(merged, [0])).toBe(2);
    forgetStats(merged, [0]);
    addStats(merged, new Set([0]), Float64Array.of(1, 2, STEP_US), Float64Array.of(1e200, 1, 5));
    const { stats, max, min } = m4Columns(merged);
    expect([stats!.sum[0], stats!.count[0], max[0], min[0]]).toEqual([1e200, 2, 1e200, 1]);
  });
});

describe('states', () => {
  it('have the first and the last of each bucket', () => {
    const states = createStateTable(cut(STEP_US));
    addStates(states, Float64Array.of(1, 50, 59), ['idle', 'drilling', 'tripping']);
    addStates(states, Float64Array.of(130), ['idle']);
    expect(stateColumns(states)).toEqual({
      t: Float64Array.of(0, 120),
      first: ['idle', 'idle'],
      tFirst: Float64Array.of(1, 130),
      last: ['tripping', 'idle'],
      tLast: Float64Array.of(59, 130),
      count: Float64Array.of(3, 1),
    });
  });
});
