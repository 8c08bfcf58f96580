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
  const upper = GAMMA ** (Math.abs(bucket) - OFFSET);
  return (Math.sign(bucket) * 2 * upper) / (1 + GAMMA);
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

/** The values at some ranks (0 is the least), rising, as far as they are known. */
function valuesAt(counts: ReadonlyMap<number, number>, ranks: readonly number[]): number[] {
  const found: number[] = [];
  let below = 0;
  for (const bucket of [...counts.keys()].sort((a, b) => a - b)) {
    below += counts.get(bucket)!;
    while (found.length < ranks.length && ranks[found.length]! < below) {
      found.push(sketchValue(bucket));
    }
  }
  return found;
}

/**
 * A quantile, 0 to 1, of each bucket that holds points, in their order: between two ranks on a straight line, as
 * PostgreSQL's percentile_cont and NumPy have it, and within the bucket's own extremes.
 */
export function sketchQuantiles(
  table: SketchTable,
  quantile: number,
  min: Float64Array,
  max: Float64Array,
): Float64Array {
  const filled = table.counts.filter((counts) => counts !== undefined);
  return Float64Array.from(filled, (counts, row) => {
    const total = [...counts.values()].reduce((sum, values) => sum + values, 0);
    const rank = quantile * (total - 1);
    const [low = Number.NaN, high = low] = valuesAt(counts, [Math.floor(rank), Math.ceil(rank)]);
    const value = low + (high - low) * (rank - Math.floor(rank));
    return Math.min(Math.max(value, min[row]!), max[row]!);
  });
}
