// The buckets of a domain: one after another without gaps, all of one length or between edges that a calendar gives.
// Pure arithmetic on µs since 1970 UTC.
import type { RangeResolution } from './range.ts';
import { ceilToStep, floorToStep, type Step, stepForWidth } from './step.ts';

/** Bucket i is [startUs + i × stepUs, startUs + (i + 1) × stepUs). */
export interface UniformBuckets {
  readonly kind: 'uniform';
  readonly startUs: number;
  readonly stepUs: number;
  readonly count: number;
}

/** Bucket i is [edgesUs[i], edgesUs[i + 1]): one edge more than buckets, rising. */
export interface UnequalBuckets {
  readonly kind: 'unequal';
  readonly edgesUs: Float64Array;
  readonly count: number;
}

export type Buckets = UniformBuckets | UnequalBuckets;

/** The buckets that a request asks for. */
export function resolveBuckets(
  resolution: Exclude<RangeResolution, { kind: 'raw' }>,
  startUs: number,
  endUs: number,
): Buckets {
  switch (resolution.kind) {
    case 'width': {
      const stepUs = stepForWidth(endUs - startUs, resolution.pixels) * 1000;
      return uniformBuckets({ stepUs, originUs: 0 }, startUs, endUs);
    }
    case 'step': {
      const { stepMs, originMs = 0 } = resolution;
      return uniformBuckets({ stepUs: stepMs * 1000, originUs: originMs * 1000 }, startUs, endUs);
    }
    case 'edges':
      return bucketsBetween(resolution.edgesUs);
  }
}

/** The buckets of a step that touch [startUs, endUs). */
export function uniformBuckets(step: Step, startUs: number, endUs: number): UniformBuckets {
  const firstUs = floorToStep(startUs, step);
  const count = Math.max(0, (ceilToStep(endUs, step) - firstUs) / step.stepUs);
  return { kind: 'uniform', startUs: firstUs, stepUs: step.stepUs, count };
}

/** The buckets between edges; equal ones where all are of one length, which are found faster. */
export function bucketsBetween(edgesUs: Float64Array): Buckets {
  const count = Math.max(0, edgesUs.length - 1);
  const [startUs = 0, second = startUs] = edgesUs;
  const stepUs = second - startUs;
  const equal = edgesUs.every((edgeUs, i) => edgeUs === startUs + i * stepUs);
  if (equal && stepUs > 0) return { kind: 'uniform', startUs, stepUs, count };
  return { kind: 'unequal', edgesUs, count };
}

/** Where bucket `index` starts; of `count`, where the last one ends. */
export function edgeUs(buckets: Buckets, index: number): number {
  return buckets.kind === 'uniform'
    ? buckets.startUs + index * buckets.stepUs
    : (buckets.edgesUs[index] ?? Number.NaN);
}

/** The domain: half-open, whole buckets. */
export function domainOf(buckets: Buckets): { readonly startUs: number; readonly endUs: number } {
  return { startUs: edgeUs(buckets, 0), endUs: edgeUs(buckets, buckets.count) };
}

/** Gives the bucket of a time in the domain. */
export function bucketFinder(buckets: Buckets): (timeUs: number) => number {
  if (buckets.kind === 'uniform') {
    const { startUs, stepUs } = buckets;
    return (timeUs) => Math.floor((timeUs - startUs) / stepUs);
  }
  const { edgesUs } = buckets;
  let last = 0;
  // Times mostly come in their order: the bucket is the last one's, or the one behind it.
  return (timeUs) => {
    if (timeUs >= edgesUs[last]! && timeUs < edgesUs[last + 1]!) return last;
    if (timeUs >= edgesUs[last + 1]! && timeUs < edgesUs[last + 2]!) return ++last;
    last = search(edgesUs, timeUs);
    return last;
  };
}

/** The last edge at or before a time. */
function search(edgesUs: Float64Array, timeUs: number): number {
  let low = 0;
  let high = edgesUs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (edgesUs[middle]! <= timeUs) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whether every bucket is made of whole buckets of `lengthUs` that start at its multiples since 1970 UTC. */
export function isMadeOf(buckets: Buckets, lengthUs: number): boolean {
  if (buckets.kind === 'uniform') {
    return buckets.stepUs % lengthUs === 0 && buckets.startUs % lengthUs === 0;
  }
  return buckets.edgesUs.every((edge) => edge % lengthUs === 0);
}
