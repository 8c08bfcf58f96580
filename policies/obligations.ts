// Obligations that narrow a range: how fine, how far back, how fresh. Pure arithmetic on µs since 1970 UTC.
import type { Grant } from './grant.ts';

/** A bucket's length in µs, buckets starting at its multiples since 1970 UTC; or points as they are. */
type StepUs = number | 'raw';

/** What is asked for, half-open [startUs, endUs). Nothing is asked for where they are equal. */
export interface Domain {
  readonly startUs: number;
  readonly endUs: number;
  readonly stepUs: StepUs;
}

/**
 * Narrows a domain to what the grant allows. A step that is not a multiple of the finest allowed becomes the next one
 * that is: buckets of 90 s beside buckets of 60 s would give away 30 s by subtraction. Raw becomes buckets of the finest
 * step. A bucket stays only if it lies wholly inside look-back and delay; the domain may come out empty. Without an
 * obligation that bears on it the domain comes back as it was, and a second call changes nothing.
 */
export function clampRange(grant: Grant, domain: Domain, nowUs: number): Domain {
  const {
    finest_step_ms: finestMs,
    lookback_ms: lookbackMs,
    delay_ms: delayMs,
  } = grant.obligations;
  const stepUs = coarsened(domain.stepUs, finestMs);
  const grainUs = stepUs === 'raw' ? 1 : stepUs;
  let { startUs, endUs } = domain;
  if (lookbackMs !== undefined) {
    const earliestUs = roundUp(nowUs - lookbackMs * 1000, grainUs);
    // What starts inside a bucket asks for the whole of it.
    if (roundDown(startUs, grainUs) < earliestUs) startUs = earliestUs;
  }
  if (delayMs !== undefined && delayMs > 0) {
    const latestUs = roundDown(nowUs - delayMs * 1000, grainUs);
    if (roundUp(endUs, grainUs) > latestUs) endUs = latestUs;
  }
  return { startUs, endUs: Math.max(startUs, endUs), stepUs };
}

/**
 * Narrows buckets of unequal lengths, such as months, given by their edges. Edges that are not multiples of the finest
 * step move down to one, so that no difference of two answers is finer; a bucket that vanishes by that is part of its
 * neighbour. What is not wholly inside look-back and delay goes. At least one edge is left only where a bucket is.
 */
export function clampEdges(grant: Grant, edgesUs: Float64Array, nowUs: number): Float64Array {
  const {
    finest_step_ms: finestMs,
    lookback_ms: lookbackMs,
    delay_ms: delayMs,
  } = grant.obligations;
  const earliestUs =
    lookbackMs === undefined ? Number.NEGATIVE_INFINITY : nowUs - lookbackMs * 1000;
  const latestUs =
    delayMs === undefined || delayMs === 0 ? Number.POSITIVE_INFINITY : nowUs - delayMs * 1000;
  const snapped =
    finestMs === undefined ? edgesUs : edgesUs.map((edge) => roundDown(edge, finestMs * 1000));
  const kept = snapped.filter(
    (edge, i) => edge !== snapped[i - 1] && edge >= earliestUs && edge <= latestUs,
  );
  return kept.length < 2 ? new Float64Array(0) : kept;
}

/**
 * From when and until when points may be shown at all: in whole buckets of the finest step, where there is one. Both may
 * be infinite, and the span may be empty.
 */
export function permittedSpan(grant: Grant, nowUs: number): Pick<Domain, 'startUs' | 'endUs'> {
  const always = { startUs: Number.NEGATIVE_INFINITY, endUs: Number.POSITIVE_INFINITY };
  const { startUs, endUs } = clampRange(grant, { ...always, stepUs: 'raw' }, nowUs);
  return { startUs, endUs };
}

/**
 * Where buckets that were to be counted from `originUs` are counted from under the grant. Buckets of weeks start on
 * Mondays: unless the finest step divides that distance from 1970, the difference of a week and of the finest buckets
 * beside it would be finer than the finest, so they start at the last edge of such a bucket instead.
 */
export function permittedOrigin(grant: Grant, originUs: number): number {
  const { finest_step_ms: finestMs } = grant.obligations;
  return finestMs === undefined ? originUs : roundDown(originUs, finestMs * 1000);
}

function coarsened(stepUs: StepUs, finestMs: number | undefined): StepUs {
  if (finestMs === undefined) return stepUs;
  const finestUs = finestMs * 1000;
  return stepUs === 'raw' ? finestUs : roundUp(stepUs, finestUs);
}

function roundDown(timeUs: number, grainUs: number): number {
  return Math.floor(timeUs / grainUs) * grainUs;
}

function roundUp(timeUs: number, grainUs: number): number {
  return Math.ceil(timeUs / grainUs) * grainUs;
}
