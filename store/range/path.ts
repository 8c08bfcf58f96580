// The path of a series through its buckets: areas under its line and the increase of a counter, which need the points
// in their order, and of each bucket the one before it. Times are µs since 1970 UTC, areas value × µs.
import { type Buckets, bucketFinder } from './buckets.ts';

/** Runs of points, as rollups keep them: each lies within one bucket of a rollup, in the order of time. */
export interface PathRows {
  readonly tFirst: Float64Array;
  readonly first: Float64Array;
  readonly tLast: Float64Array;
  readonly last: Float64Array;
  /** Under straight lines from point to point. */
  readonly area: Float64Array;
  /** Under steps: each value holds until the next point. */
  readonly stepArea: Float64Array;
  /** What the values rose by; a fall counts as a reset to 0. */
  readonly increase: Float64Array;
}

/** A point on the path; none before the first. */
export interface PathPoint {
  readonly timeUs: number;
  readonly value: number;
}

/** Buckets of one series on their way, a slot each; tFirst is NaN where a bucket holds nothing. */
export interface PathTable {
  readonly buckets: Buckets;
  readonly tFirst: Float64Array;
  readonly first: Float64Array;
  readonly tLast: Float64Array;
  readonly last: Float64Array;
  readonly area: Float64Array;
  readonly stepArea: Float64Array;
  /** Since the last point before the bucket, or since its first where there is none. */
  readonly increase: Float64Array;
  /** Time of the last point before the bucket; NaN where there is none. */
  readonly tBefore: Float64Array;
  /** The newest point so far; its time is NaN where there is none. */
  readonly newest: { timeUs: number; value: number };
}

/** An empty table; `before` is the last point before the domain, where there is one that may count. */
export function createPathTable(buckets: Buckets, before: PathPoint | undefined): PathTable {
  const column = (fill: number) => new Float64Array(buckets.count).fill(fill);
  return {
    buckets,
    tFirst: column(Number.NaN),
    first: column(0),
    tLast: column(0),
    last: column(0),
    area: column(0),
    stepArea: column(0),
    increase: column(0),
    tBefore: column(Number.NaN),
    newest: { ...(before ?? { timeUs: Number.NaN, value: Number.NaN }) },
  };
}

/** What a counter rose by from one value to the next. */
export function increaseOf(before: number, value: number): number {
  return value >= before ? value - before : value;
}

/** Adds runs that are later than all that was added before, in their order. */
export function addPathRows(table: PathTable, rows: PathRows): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < rows.tFirst.length; row++) {
    const slot = slotOf(rows.tFirst[row]!);
    joinTo(table, slot, rows.tFirst[row]!, rows.first[row]!);
    table.area[slot]! += rows.area[row]!;
    table.stepArea[slot]! += rows.stepArea[row]!;
    table.increase[slot]! += rows.increase[row]!;
    end(table, slot, rows.tLast[row]!, rows.last[row]!);
  }
}

/** Adds points alike. */
export function addPathPoints(table: PathTable, timesUs: Float64Array, values: Float64Array): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < timesUs.length; row++) {
    const slot = slotOf(timesUs[row]!);
    joinTo(table, slot, timesUs[row]!, values[row]!);
    end(table, slot, timesUs[row]!, values[row]!);
  }
}

/** The way from the newest point to the next one: its increase counts in the bucket that it ends in, its area within one. */
function joinTo(table: PathTable, slot: number, timeUs: number, value: number): void {
  const { timeUs: fromUs, value: from } = table.newest;
  if (Number.isNaN(table.tFirst[slot]!)) {
    table.tFirst[slot] = timeUs;
    table.first[slot] = value;
    if (Number.isNaN(fromUs)) return;
    table.tBefore[slot] = fromUs;
    table.increase[slot] = increaseOf(from, value);
    return;
  }
  const spanUs = timeUs - fromUs;
  table.area[slot]! += spanUs * (from / 2 + value / 2);
  table.stepArea[slot]! += spanUs * from;
  table.increase[slot]! += increaseOf(from, value);
}

function end(table: PathTable, slot: number, timeUs: number, value: number): void {
  table.tLast[slot] = timeUs;
  table.last[slot] = value;
  table.newest.timeUs = timeUs;
  table.newest.value = value;
}

/** What is asked of a bucket's path; NaN for none. */
export interface PathColumns {
  /** Time-weighted mean between the bucket's first and last point, along straight lines. */
  readonly twa: Float64Array;
  /** The same where each value holds until the next. */
  readonly twaStep: Float64Array;
  readonly delta: Float64Array;
  /** delta a second. */
  readonly rate: Float64Array;
}

const US_PER_S = 1e6;

/** One entry for each of some slots; one without points has none. */
export function pathColumns(table: PathTable, slots: Float64Array): PathColumns {
  const spanOf = (slot: number) => table.tLast[slot]! - table.tFirst[slot]!;
  const mean = (area: Float64Array) =>
    slots.map((slot) => (spanOf(slot) === 0 ? table.last[slot]! : area[slot]! / spanOf(slot)));
  return {
    twa: mean(table.area),
    twaStep: mean(table.stepArea),
    delta: slots.map((slot) =>
      Number.isNaN(table.tFirst[slot]!) ? Number.NaN : table.increase[slot]!,
    ),
    rate: slots.map((slot) => {
      const before = table.tBefore[slot]!;
      const fromUs = Number.isNaN(before) ? table.tFirst[slot]! : before;
      const spanUs = table.tLast[slot]! - fromUs;
      return spanUs === 0 ? Number.NaN : (table.increase[slot]! * US_PER_S) / spanUs;
    }),
  };
}
