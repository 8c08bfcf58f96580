// For tests: what a bucket has to say, from its raw points alone and one after another, and what an answer says wrongly.
import { type Buckets, edgeUs } from './buckets.ts';
import type { M4Columns } from './range.ts';

/** Points of one series: µs since 1970 UTC by value. */
export type Points = ReadonlyMap<number, number>;

type Point = readonly [timeUs: number, value: number];

/** A bucket that holds points, and the last point before it. */
interface FilledBucket {
  readonly t: number;
  readonly points: readonly Point[];
  readonly before: Point | undefined;
}

/** The buckets that hold points. */
function bucketsOf(points: Points, buckets: Buckets): FilledBucket[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0]);
  const filled: FilledBucket[] = [];
  let next = 0;
  for (let index = 0; index < buckets.count; index++) {
    const [t, end] = [edgeUs(buckets, index), edgeUs(buckets, index + 1)];
    while (next < sorted.length && sorted[next]![0] < t) next += 1;
    const from = next;
    while (next < sorted.length && sorted[next]![0] < end) next += 1;
    if (next === from) continue;
    filled.push({ t, points: sorted.slice(from, next), before: sorted[from - 1] });
  }
  return filled;
}

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
const size = (values: readonly number[]) => total(values.map(Math.abs));

/** Below this a rollup's areas take a value for 0. */
const TINY = 1e-290;

/** Sums of floats in any order: within 1e-12 of the sum of their sizes. */
function isSum(value: number, terms: readonly number[], scale = size(terms)): boolean {
  return Math.abs(value - total(terms)) <= 1e-12 * scale + TINY;
}

/** What squares overflow with; paths of rollups leave it out, and NaN says so. */
const SQUARES_MAX = 1e140;
const areSmall = (points: readonly Point[]) =>
  points.every(([, value]) => Math.abs(value) <= SQUARES_MAX);

function statsChecks(columns: M4Columns, row: number, { points }: FilledBucket) {
  const { stats } = columns;
  if (stats === undefined) return {};
  const values = points.map(([, value]) => value);
  const [count = 0, sum = 0, squares = 0] = [stats.count[row], stats.sum[row], stats.squares[row]];
  const counted = { count: count === values.length, sum: isSum(sum, values) };
  if (!areSmall(points)) return counted;
  const mean = total(values) / values.length;
  const deviations = values.map((value) => (value - mean) ** 2);
  // The mean that the squares are about is itself known to so many digits only.
  const doubt = 1e-12 * (size(deviations) + size(values.map((value) => value * mean)));
  return {
    ...counted,
    stddev: Math.abs(squares - total(deviations)) <= doubt + TINY,
  };
}

const increase = (from: number, to: number) => (to >= from ? to - from : to);

function pathChecks(columns: M4Columns, row: number, { points, before }: FilledBucket) {
  const { path } = columns;
  if (path === undefined) return {};
  const [twa = 0, twaStep = 0, delta = 0, rate = 0] = [
    path.twa[row],
    path.twaStep[row],
    path.delta[row],
    path.rate[row],
  ];
  const since = before === undefined ? points : [before, ...points];
  if (!areSmall(since)) return {};
  const pairs = points.slice(1).map((to, i) => ({ from: points[i]!, to }));
  const spanUs = points.at(-1)![0] - points[0]![0];
  const mean = (areaOf: (a: number, b: number) => number) =>
    pairs.map(({ from, to }) => (areaOf(from[1], to[1]) * (to[0] - from[0])) / spanUs);
  const scale = size(points.map(([, value]) => value));
  const only = points.length === 1 ? [points[0]![1]] : undefined;
  const increases = since.slice(1).map(([, value], i) => increase(since[i]![1], value));
  const increaseScale = size(since.map(([, value]) => value));
  const sinceS = (points.at(-1)![0] - since[0]![0]) / 1e6;
  return {
    twa: isSum(twa, only ?? mean((a, b) => (a + b) / 2), scale),
    twa_step: isSum(twaStep, only ?? mean((a) => a), scale),
    delta: isSum(delta, increases, increaseScale),
    rate:
      sinceS === 0
        ? Number.isNaN(rate)
        : isSum(rate, [total(increases) / sinceS], increaseScale / sinceS),
  };
}

const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 } as const;
/** Values below are counted as 0. */
const SMALLEST_NORMAL = 2.2250738585072014e-308;

function quantileChecks(columns: M4Columns, row: number, { points }: FilledBucket) {
  const { quantiles } = columns;
  if (quantiles === undefined) return {};
  const values = points.map(([, value]) => value).sort((a, b) => a - b);
  const checks: Record<string, boolean> = {};
  for (const [name, quantile] of Object.entries(QUANTILES)) {
    const rank = quantile * (values.length - 1);
    const [low, high] = [values[Math.floor(rank)]!, values[Math.ceil(rank)]!];
    const share = rank - Math.floor(rank);
    const [a, b] = [low * (1 - share), high * share];
    const value = quantiles[name as keyof typeof QUANTILES][row]!;
    const doubt = 0.01 * (1 + 1e-9) * (Math.abs(a) + Math.abs(b)) + SMALLEST_NORMAL;
    checks[name] = Math.abs(value - (a + b)) <= doubt;
  }
  return checks;
}

/** What is wrong with one bucket, if anything. Of equal extremes either time is right, and 0 and -0 are equal extremes. */
function faultOf(columns: M4Columns, row: number, bucket: FilledBucket): string | undefined {
  const { t, points } = bucket;
  const values = points.map(([, value]) => value);
  const [[tFirst, first], [tLast, last]] = [points[0]!, points.at(-1)!];
  const valueAt = (timeUs: number) => points.find(([time]) => time === timeUs)?.[1];
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const checks: Record<string, boolean> = {
    t: columns.t[row] === t,
    first: Object.is(columns.first[row], first) && columns.tFirst[row] === tFirst,
    last: Object.is(columns.last[row], last) && columns.tLast[row] === tLast,
    min: columns.min[row] === min && valueAt(columns.tMin[row]!) === min,
    max: columns.max[row] === max && valueAt(columns.tMax[row]!) === max,
    ...statsChecks(columns, row, bucket),
    ...pathChecks(columns, row, bucket),
    ...quantileChecks(columns, row, bucket),
  };
  const wrong = Object.keys(checks).filter((name) => !checks[name]);
  if (wrong.length === 0) return undefined;
  return `${wrong.join()} of ${points.length} points in the bucket at ${new Date(t / 1000).toISOString()}`;
}

/** The first thing that an answer's columns say wrongly of a series' points; undefined where all is right. */
export function firstFault(
  columns: M4Columns,
  points: Points,
  buckets: Buckets,
): string | undefined {
  const filled = bucketsOf(points, buckets);
  if (columns.t.length !== filled.length) {
    return `${columns.t.length} buckets hold points, and ${filled.length} should`;
  }
  for (const [row, bucket] of filled.entries()) {
    const fault = faultOf(columns, row, bucket);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
