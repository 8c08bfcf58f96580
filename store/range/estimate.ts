// How many rows a range would read, from facts about the rollups and without reading it: a price that is known before it
// is paid.
import { type Buckets, domainOf, resolveBuckets } from './buckets.ts';
import { planRange, RAW_LEVEL, type RollupState } from './plan.ts';
import type { RangeRequest, RangeSegment } from './range.ts';

export type Family = 'm4' | 'path' | 'sketch';

export interface CostFacts {
  /** The maintained rollups of every family. */
  readonly rollups: readonly (RollupState & { readonly family: Family })[];
  /** Points of one series of numbers in a µs, on average over the series and the domain asked for. */
  readonly pointsPerUs: number;
  /** From here on it is another, because no rollup has counted so far. */
  readonly fresh?: { readonly fromUs: number; readonly pointsPerUs: number };
  /** Points of one series of states in a µs; 0 unless said. */
  readonly statesPerUs?: number;
}

/** The time that is read. */
export function domainOfRequest({ resolution, startUs, endUs }: RangeRequest) {
  if (resolution.kind === 'raw') return { startUs, endUs };
  return domainOf(resolveBuckets(resolution, startUs, endUs));
}

/** Points that a stretch of one series of numbers is expected to have. */
function pointsIn({ pointsPerUs, fresh }: CostFacts, startUs: number, endUs: number): number {
  if (fresh === undefined) return (endUs - startUs) * pointsPerUs;
  const fromUs = Math.min(endUs, Math.max(startUs, fresh.fromUs));
  return (fromUs - startUs) * pointsPerUs + (endUs - fromUs) * fresh.pointsPerUs;
}

/** Rows that a segment of one series is expected to have: of a rollup one a bucket, though some may be empty. */
export function rowsOfSegment(
  facts: CostFacts,
  family: Family | 'raw' | 'states',
  { level, startUs, endUs }: RangeSegment,
): number {
  if (family === 'states') return (endUs - startUs) * (facts.statesPerUs ?? 0);
  if (level === RAW_LEVEL) return pointsIn(facts, startUs, endUs);
  const rollup = facts.rollups.find((one) => one.family === family && one.level === level);
  const points = pointsIn(facts, startUs, endUs);
  return rollup === undefined ? points : (endUs - startUs) / rollup.bucketUs;
}

/** What a family would read of one series: rows of rollups, and raw points. */
function reachOf(buckets: Buckets, family: Family, facts: CostFacts) {
  let [rollupRows, points] = [0, 0];
  const rollups = facts.rollups.filter((rollup) => rollup.family === family);
  // What late data made stale is not known here; it is little, or soon refreshed.
  for (const segment of planRange({ buckets, rollups, dirty: [] }).segments) {
    const rows = rowsOfSegment(facts, family, segment);
    if (segment.level === RAW_LEVEL) points += rows;
    else rollupRows += rows;
  }
  return { rollupRows, points };
}

/** Rows of one series of numbers. */
function rowsOfNumbers(request: RangeRequest, facts: CostFacts): number {
  const { resolution, startUs, endUs, states, path = false, sketch = false } = request;
  if (states !== undefined) return 0;
  if (resolution.kind === 'raw') return pointsIn(facts, startUs, endUs);
  const buckets = resolveBuckets(resolution, startUs, endUs);
  if (buckets.count === 0) return 0;
  const families: Family[] = ['m4'];
  if (path) families.push('path');
  if (sketch) families.push('sketch');
  const reaches = families.map((family) => reachOf(buckets, family, facts));
  // Raw points are read once for all families that need them.
  const points = Math.max(...reaches.map((reach) => reach.points));
  return reaches.reduce((sum, reach) => sum + reach.rollupRows, points);
}

/** Rows of all series together. Series without a point everywhere read fewer, denser ones than their mean more. */
export function estimateRows(request: RangeRequest, facts: CostFacts): number {
  const { startUs, endUs } = domainOfRequest(request);
  const ofStates = request.series.filter(({ kind }) => kind === 'state').length;
  const states = ofStates * Math.max(0, endUs - startUs) * (facts.statesPerUs ?? 0);
  const ofNumbers = request.series.length - ofStates;
  const numbers = ofNumbers === 0 ? 0 : ofNumbers * rowsOfNumbers(request, facts);
  const { resolution } = request;
  return resolution.kind === 'raw' && request.states === undefined
    ? Math.min(resolution.limit, numbers + states)
    : numbers + states;
}

/**
 * A rollup to count a domain's points by, and the part of the domain that it knows; undefined where none does. Only
 * whole buckets of it: what lies beyond the domain may be beyond what its caller is allowed to know of.
 */
export function countedBy(request: RangeRequest, rollups: CostFacts['rollups']) {
  const { startUs, endUs } = domainOfRequest(request);
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
