// How many rows a range would read, from facts about the rollups and without reading it: a price that is known before it
// is paid.
import { type Buckets, domainOf, resolveBuckets } from './buckets.ts';
import { planRange, RAW_LEVEL, type RollupState } from './plan.ts';
import type { RangeRequest, RangeResolution } from './range.ts';

export type Family = 'm4' | 'path' | 'sketch';

export interface CostFacts {
  /** The maintained rollups of every family. */
  readonly rollups: readonly (RollupState & { readonly family: Family })[];
  /** Points of one series in a µs, on average over the series and the domain asked for. */
  readonly pointsPerUs: number;
}

/** A range that is divided into buckets. */
export type BucketRequest = RangeRequest & {
  readonly resolution: Exclude<RangeResolution, { kind: 'raw' }>;
};

/** What a range would read of how much time: rows of rollups, and the length of raw points, all of one series. */
interface Reach {
  readonly rollupRows: number;
  readonly rawUs: number;
}

function reachOf(buckets: Buckets, rollups: readonly RollupState[]): Reach {
  let [rollupRows, rawUs] = [0, 0];
  // What late data made stale is not known here; it is little, or soon refreshed.
  for (const { level, startUs, endUs } of planRange({ buckets, rollups, dirty: [] }).segments) {
    if (level === RAW_LEVEL) rawUs += endUs - startUs;
    else rollupRows += (endUs - startUs) / rollups.find((one) => one.level === level)!.bucketUs;
  }
  return { rollupRows, rawUs };
}

/** Rows of all series together. Series without a point everywhere read fewer, denser ones than their mean more. */
export function estimateRows(request: BucketRequest, facts: CostFacts): number {
  const { resolution, startUs, endUs, path = false, sketch = false } = request;
  const buckets = resolveBuckets(resolution, startUs, endUs);
  if (buckets.count === 0) return 0;
  const families: Family[] = ['m4'];
  if (path) families.push('path');
  if (sketch) families.push('sketch');
  const reaches = families.map((family) =>
    reachOf(
      buckets,
      facts.rollups.filter((rollup) => rollup.family === family),
    ),
  );
  // Raw points are read once for all families that need them.
  const rawUs = Math.max(...reaches.map((reach) => reach.rawUs));
  const rollupRows = reaches.reduce((sum, reach) => sum + reach.rollupRows, 0);
  return (rollupRows + rawUs * facts.pointsPerUs) * request.series.length;
}

/**
 * A rollup to count a domain's points by, and the part of the domain that it knows; undefined where none does. Only
 * whole buckets of it: what lies beyond the domain may be beyond what its caller is allowed to know of.
 */
export function countedBy(request: BucketRequest, rollups: CostFacts['rollups']) {
  const { startUs, endUs } = domainOf(
    resolveBuckets(request.resolution, request.startUs, request.endUs),
  );
  return rollups
    .filter(({ family, level }) => family === 'm4' && level !== RAW_LEVEL)
    .map(({ name, bucketUs, materialisedBeforeUs }) => ({
      ...{ name, bucketUs },
      startUs: Math.ceil(startUs / bucketUs) * bucketUs,
      endUs: Math.min(Math.floor(endUs / bucketUs) * bucketUs, materialisedBeforeUs),
    }))
    .filter(({ bucketUs, startUs, endUs }) => endUs - startUs >= BUCKETS_COUNTED_MIN * bucketUs)
    .sort((a, b) => b.bucketUs - a.bucketUs)[0];
}

/** The coarsest rollup that has so many buckets of the domain is exact enough. */
const BUCKETS_COUNTED_MIN = 10;
