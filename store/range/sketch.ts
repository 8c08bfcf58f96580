// Percentiles from counts of values in logarithmic buckets (DDSketch, VLDB 2019, without its collapsing): a value that
// is read back is within 1 % of the one that was counted. As tailrace.sketch_bucket in the database.
import { type Buckets, bucketFinder } from './buckets.ts';

/** Growth from one bucket's bound to the next. */
const GAMMA = 1.01 / 0.99;
const LOG_GAMMA = Math.log(GAMMA);
/** Raised so that the smallest normal float lies in a positive bucket. */
const OFFSET = 35_500;
const SMALLEST_NORMAL = 2.2250738585072014e-308;

/** The bucket of a value: negative ones count downwards from -1, positive ones upwards from 1, 0 is 0's own. */
export function sketchBucket(value: number): number {
  const size = Math.abs(value);
  if (size < SMALLEST_NORMAL) return 0;
  return Math.sign(value) * (OFFSET + Math.ceil(Math.log(size) / LOG_GAMMA));
}

/** The middle of a bucket, within 1 % of every value in it. */
export function sketchValue(bucket: number): number {
  if (bucket === 0) return 0;
  const middle = GAMMA ** (Math.abs(bucket) - OFFSET - 1) * ((2 * GAMMA) / (1 + GAMMA));
  return Math.sign(bucket) * Math.min(middle, Number.MAX_VALUE);
}

/** Counts of one series' values, a map for each bucket of the domain that holds any. */
export interface SketchTable {
  readonly buckets: Buckets;
  readonly counts: Map<number, number>[];
}

export function createSketchTable(buckets: Buckets): SketchTable {
  return { buckets, counts: [] };
}

function count(table: SketchTable, slot: number, bucket: number, values: number): void {
  table.counts[slot] ??= new Map();
  const counts = table.counts[slot];
  counts.set(bucket, (counts.get(bucket) ?? 0) + values);
}

export function addSketchPoints(
  table: SketchTable,
  timesUs: Float64Array,
  values: Float64Array,
): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < timesUs.length; row++) {
    count(table, slotOf(timesUs[row]!), sketchBucket(values[row]!), 1);
  }
}

/** Rows of a rollup: `counts[i]` values in `valueBuckets[i]` at some time of the bucket that `timesUs[i]` lies in. */
export interface SketchRows {
  readonly timesUs: Float64Array;
  readonly valueBuckets: Int32Array;
  readonly counts: Float64Array;
}

export function addSketchRows(table: SketchTable, rows: SketchRows): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < rows.timesUs.length; row++) {
    count(table, slotOf(rows.timesUs[row]!), rows.valueBuckets[row]!, rows.counts[row]!);
  }
}

/** The quantiles that a range may be asked for. */
export const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 } as const;
export type QuantileColumns = Readonly<Record<keyof typeof QUANTILES, Float64Array>>;

/** The least and the greatest value of each slot, which bound its quantiles. */
export interface Extremes {
  readonly min: Float64Array;
  readonly max: Float64Array;
}

/**
 * The quantiles of some slots; NaN in one without points. Between two ranks they lie on a straight line, as PostgreSQL's
 * percentile_cont and NumPy have it, and within the slot's own extremes.
 */
export function quantileColumns(
  table: SketchTable,
  slots: Float64Array,
  { min, max }: Extremes,
): QuantileColumns {
  const column = () => new Float64Array(slots.length);
  const columns = { p50: column(), p90: column(), p95: column(), p99: column() };
  for (const [row, slot] of slots.entries()) {
    const cumulated = cumulate(table.counts[slot]);
    for (const [name, quantile] of Object.entries(QUANTILES)) {
      const value = valueAtQuantile(cumulated, quantile);
      columns[name as keyof typeof QUANTILES][row] = Math.min(
        Math.max(value, min[slot]!),
        max[slot]!,
      );
    }
  }
  return columns;
}

/** Buckets of values, rising, and how many values lie in them and below. */
interface Cumulated {
  readonly valueBuckets: readonly number[];
  readonly ranks: readonly number[];
}

function cumulate(counts: ReadonlyMap<number, number> = new Map()): Cumulated {
  const valueBuckets = [...counts.keys()].sort((a, b) => a - b);
  let below = 0;
  const ranks = valueBuckets.map((bucket) => {
    below += counts.get(bucket)!;
    return below;
  });
  return { valueBuckets, ranks };
}

function valueAtQuantile(cumulated: Cumulated, quantile: number): number {
  const total = cumulated.ranks.at(-1);
  if (total === undefined) return Number.NaN;
  const rank = quantile * (total - 1);
  const low = valueAtRank(cumulated, Math.floor(rank));
  const high = valueAtRank(cumulated, Math.ceil(rank));
  const share = rank - Math.floor(rank);
  return low * (1 - share) + high * share;
}

/** 0 is the rank of the least value. */
function valueAtRank({ valueBuckets, ranks }: Cumulated, rank: number): number {
  return sketchValue(valueBuckets[ranks.findIndex((below) => rank < below)]!);
}
