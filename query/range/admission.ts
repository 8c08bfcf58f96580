// How much one range may ask for, and the step that would be admitted where it asks for more.
import { TailraceError } from '../../lib/errors.ts';
import type { Grant } from '../../policies/grant.ts';
import { clampRange, type Domain } from '../../policies/obligations.ts';

/** Buckets of one answer over all series; each takes some 100 bytes on its way. */
const BUCKETS_MAX = 1_000_000;

const DAY_MS = 86_400_000;
/** A hundred years, as in parameters. */
const STEP_MAX_MS = 36_525 * DAY_MS;
const STEPS: readonly (readonly [text: string, ms: number])[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => [`${n}ms`, n] as const),
  ...[1, 2, 5, 10, 20, 30].map((n) => [`${n}s`, n * 1_000] as const),
  ...[1, 2, 5, 15, 30].map((n) => [`${n}m`, n * 60_000] as const),
  ...[1, 2, 3, 6, 12].map((n) => [`${n}h`, n * 3_600_000] as const),
];

/** Steps from a length on, as text and in ms: the usual ones, then days, each twice the one before. */
export function* stepsFrom(ms: number): Generator<readonly [text: string, ms: number]> {
  for (let least = ms; least <= STEP_MAX_MS; ) {
    const step = usualStepAtLeast(least);
    yield step;
    least = step[1] < DAY_MS ? step[1] + 1 : step[1] * 2;
  }
}

/** A step that is still too fine is made wider by so much at least, so that no budget takes long to meet. */
const WIDER = 1.05;

/** The smallest usual step of at least so many ms: `[as text, in ms]`; whole days above half a day. */
function usualStepAtLeast(ms: number): readonly [text: string, ms: number] {
  const usual = STEPS.find(([, stepMs]) => stepMs >= ms);
  if (usual !== undefined) return usual;
  const days = Math.ceil(ms / DAY_MS);
  return [`${days}d`, days * DAY_MS];
}

/** The step that keeps `seriesCount` series over a span within `bucketsMax` buckets. */
function stepWithin(spanUs: number, seriesCount: number, bucketsMax: number) {
  const buckets = Math.max(1, Math.floor(bucketsMax / Math.max(1, seriesCount)));
  // One bucket may stand out at each end of the domain.
  return usualStepAtLeast(spanUs / 1_000 / Math.max(1, buckets - 2));
}

/** Whole buckets that a domain touches. */
function bucketsOf(startUs: number, endUs: number, stepUs: number): number {
  return Math.ceil(endUs / stepUs) - Math.floor(startUs / stepUs);
}

/**
 * Makes buckets wider where the caller may have `max_points` an answer only; every bucket counts as a point.
 *
 * @throws TailraceError `forbidden` where that is less than one bucket a series.
 */
export function withinBudget(
  domain: Domain,
  grant: Grant,
  seriesCount: number,
  nowUs: number,
): Domain {
  const { max_points: max = Number.POSITIVE_INFINITY } = grant.obligations;
  let within = domain;
  while (within.stepUs !== 'raw' && within.startUs < within.endUs) {
    const { startUs, endUs, stepUs } = within;
    if (bucketsOf(startUs, endUs, stepUs) * seriesCount <= max) break;
    const [, byBudgetMs] = stepWithin(endUs - startUs, seriesCount, max);
    const [, widerMs] = usualStepAtLeast((stepUs / 1_000) * WIDER);
    if (seriesCount > max || widerMs > STEP_MAX_MS) throw overBudget(max, seriesCount);
    within = clampRange(grant, { ...domain, stepUs: Math.max(byBudgetMs, widerMs) * 1_000 }, nowUs);
  }
  return within;
}

/** @throws TailraceError `forbidden` where an answer of a point a series is more than the policy allows. */
export function checkPointsMax(seriesCount: number, grant: Grant): void {
  const { max_points: max } = grant.obligations;
  if (max !== undefined && seriesCount > max) throw overBudget(max, seriesCount);
}

/** @throws TailraceError `forbidden` where these are more series than the policy allows at once. */
export function checkSeriesMax(seriesCount: number, grant: Grant): void {
  const { max_series: max } = grant.obligations;
  if (max === undefined || seriesCount <= max) return;
  throw new TailraceError(
    'forbidden',
    `The policy allows ${max} series an answer, and these are ${seriesCount}.`,
    { details: { parameter: 'series', max_series: max } },
  );
}

/** A budget of points that is less than one a series. */
export function overBudget(max: number, seriesCount: number): TailraceError {
  return new TailraceError(
    'forbidden',
    `The policy allows ${max} points an answer, and these are ${seriesCount} series.`,
    { details: { parameter: 'series', max_points: max } },
  );
}

/** @throws TailraceError `too_costly` with the step that would be admitted. */
export function admit(spanUs: number, stepMs: number, seriesCount: number): void {
  admitBuckets((spanUs / 1_000 / stepMs) * seriesCount, spanUs, seriesCount);
}

/** @throws TailraceError `too_costly` with the step that would be admitted. */
export function admitBuckets(buckets: number, spanUs: number, seriesCount: number): void {
  if (buckets <= BUCKETS_MAX) return;
  const [step] = stepWithin(spanUs, seriesCount, BUCKETS_MAX);
  throw new TailraceError(
    'too_costly',
    `That would be ${Math.ceil(buckets)} buckets, and an answer has ${BUCKETS_MAX} at most; a step of ${step} is admitted.`,
    { details: { parameter: 'step', step } },
  );
}
