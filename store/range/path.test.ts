import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformBuckets } from './buckets.ts';
import {
  addPathPoints,
  addPathRows,
  createPathTable,
  increaseOf,
  type PathPoint,
  type PathRows,
  type PathTable,
  pathColumns,
} from './path.ts';

const STEP_US = 60;
const SLOTS = 10;
const buckets = uniformBuckets({ stepUs: STEP_US, originUs: 0 }, 0, STEP_US * SLOTS);

const points = fc
  .uniqueArray(
    fc.record({
      timeUs: fc.integer({ min: 0, max: STEP_US * SLOTS - 1 }),
      value: fc.oneof(
        fc.integer({ min: -5, max: 20 }),
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      ),
    }),
    { selector: ({ timeUs }) => timeUs, maxLength: 60 },
  )
  .map((list): readonly PathPoint[] => list.sort((a, b) => a.timeUs - b.timeUs));
const before = fc.option(
  fc.record({ timeUs: fc.integer({ min: -500, max: -1 }), value: fc.integer({ min: 0, max: 9 }) }),
  { nil: undefined },
);

function add(table: PathTable, list: readonly PathPoint[]): void {
  addPathPoints(
    table,
    Float64Array.from(list, ({ timeUs }) => timeUs),
    Float64Array.from(list, ({ value }) => value),
  );
}

/** Rows of a rollup of finer buckets, made by brute force. */
function rowsOf(list: readonly PathPoint[], bucketUs: number): PathRows {
  const runs = new Map<number, PathPoint[]>();
  for (const point of list) {
    const bucket = Math.floor(point.timeUs / bucketUs);
    runs.set(bucket, [...(runs.get(bucket) ?? []), point]);
  }
  const all = [...runs.values()];
  const sum = (run: PathPoint[], of: (a: PathPoint, b: PathPoint) => number) =>
    run.slice(1).reduce((total, point, i) => total + of(run[i]!, point), 0);
  const column = (of: (run: PathPoint[]) => number) => Float64Array.from(all, of);
  return {
    tFirst: column((run) => run[0]!.timeUs),
    first: column((run) => run[0]!.value),
    tLast: column((run) => run.at(-1)!.timeUs),
    last: column((run) => run.at(-1)!.value),
    area: column((run) => sum(run, (a, b) => ((b.timeUs - a.timeUs) * (a.value + b.value)) / 2)),
    stepArea: column((run) => sum(run, (a, b) => (b.timeUs - a.timeUs) * a.value)),
    increase: column((run) => sum(run, (a, b) => increaseOf(a.value, b.value))),
  };
}

const filledSlots = ({ tFirst }: PathTable) =>
  Float64Array.from([...tFirst.keys()].filter((slot) => !Number.isNaN(tFirst[slot]!)));

function closeTo(actual: Float64Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    if (Number.isNaN(value)) expect(actual[i]).toBeNaN();
    else expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(1e-9 * (1e6 + Math.abs(value)));
  }
}

describe('the path of a series', () => {
  it('is what brute force over all points says, from any mix of levels', () => {
    const levels = fc.array(fc.constantFrom(0, 5, 20, 60), { minLength: SLOTS, maxLength: SLOTS });
    fc.assert(
      fc.property(points, before, levels, (list, point, parts) => {
        const table = createPathTable(buckets, point);
        const expected = { twa: [], twaStep: [], delta: [], rate: [] } as Record<string, number[]>;
        let previous = point;
        for (const [slot, bucketUs] of parts.entries()) {
          const inside = list.filter(({ timeUs }) => Math.floor(timeUs / STEP_US) === slot);
          if (bucketUs === 0) add(table, inside);
          else addPathRows(table, rowsOf(inside, bucketUs));
          if (inside.length === 0) continue;
          const [row] = [rowsOf(inside, STEP_US)];
          const [tFirst, tLast] = [row.tFirst[0]!, row.tLast[0]!];
          const spanUs = tLast - tFirst;
          expected.twa!.push(spanUs === 0 ? row.last[0]! : row.area[0]! / spanUs);
          expected.twaStep!.push(spanUs === 0 ? row.last[0]! : row.stepArea[0]! / spanUs);
          const since = previous === undefined ? 0 : increaseOf(previous.value, row.first[0]!);
          const delta = row.increase[0]! + since;
          expected.delta!.push(delta);
          const rateSpanUs = tLast - (previous?.timeUs ?? tFirst);
          expected.rate!.push(rateSpanUs === 0 ? Number.NaN : (delta * 1e6) / rateSpanUs);
          previous = inside.at(-1)!;
        }
        const columns = pathColumns(table, filledSlots(table));
        for (const name of ['twa', 'twaStep', 'delta', 'rate'] as const) {
          closeTo(columns[name], expected[name]!);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of one point and none before it has a mean and no rate', () => {
    const table = createPathTable(buckets, undefined);
    add(table, [{ timeUs: 61, value: 7 }]);
    expect(pathColumns(table, filledSlots(table))).toEqual({
      twa: Float64Array.of(7),
      twaStep: Float64Array.of(7),
      delta: Float64Array.of(0),
      rate: Float64Array.of(Number.NaN),
    });
  });
});
