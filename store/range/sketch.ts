// Percentiles from counts of values in logarithmic buckets (DDSketch, VLDB 2019, without its collapsing): a value that
// is read back is within 1 % of the one that was counted. As tailrace.sketch_bucket in the database. Where all of a
// bucket's points are there, nothing is counted, and percentiles are exact.
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

/** Values of one series, by bucket of the domain: of a rollup their counts, of points themselves. */
export interface SketchTable {
  readonly buckets: Buckets;
  readonly counts: (Map<number, number> | undefined)[];
  readonly points: (number[] | undefined)[];
}

export function createSketchTable(buckets: Buckets): SketchTable {
  return { buckets, counts: [], points: [] };
}

function add(counts: Map<number, number>, bucket: number, values: number): void {
  counts.set(bucket, (counts.get(bucket) ?? 0) + values);
}

export function addSketchPoints(
  table: SketchTable,
  timesUs: Float64Array,
  values: Float64Array,
): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < timesUs.length; row++) {
    const slot = slotOf(timesUs[row]!);
    table.points[slot] ??= [];
    table.points[slot].push(values[row]!);
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
    const slot = slotOf(rows.timesUs[row]!);
    table.counts[slot] ??= new Map();
    add(table.counts[slot], rows.valueBuckets[row]!, rows.counts[row]!);
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
    const ranked = rankedValues(table, slot);
    for (const [name, quantile] of Object.entries(QUANTILES)) {
      const value = valueAtQuantile(ranked, quantile);
      columns[name as keyof typeof QUANTILES][row] = Math.min(
        Math.max(value, min[slot]!),
        max[slot]!,
      );
    }
  }
  return columns;
}

/** Values in their order, by rank: 0 is that of the least. */
interface Ranked {
  readonly total: number;
  valueAt(rank: number): number;
}

function rankedValues({ counts, points }: SketchTable, slot: number): Ranked {
  const [kept, values = []] = [counts[slot], points[slot]];
  if (kept === undefined) {
    const sorted = Float64Array.from(values).sort();
    return { total: sorted.length, valueAt: (rank) => sorted[rank]! };
  }
  const counted = new Map(kept);
  for (const value of values) add(counted, sketchBucket(value), 1);
  const valueBuckets = [...counted.keys()].sort((a, b) => a - b);
  let below = 0;
  const ranks = valueBuckets.map((bucket) => {
    below += counted.get(bucket)!;
    return below;
  });
  const bucketAt = (rank: number) => valueBuckets[ranks.findIndex((upTo) => rank < upTo)]!;
  return { total: below, valueAt: (rank) => sketchValue(bucketAt(rank)) };
}

function valueAtQuantile({ total, valueAt }: Ranked, quantile: number): number {
  if (total === 0) return Number.NaN;
  const rank = quantile * (total - 1);
  const [low, high] = [valueAt(Math.floor(rank)), valueAt(Math.ceil(rank))];
  const share = rank - Math.floor(rank);
  return low === high ? low : low * (1 - share) + high * share;
}
