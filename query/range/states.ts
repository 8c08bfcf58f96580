// What obligations leave of a question about states. Intervals are as exact as the finest step allows, and an interval
// counts as a point; times in state come by bucket, as every other aggregate does.
import type { Grant } from '../../policies/grant.ts';
import { clampRange, permittedSpan } from '../../policies/obligations.ts';
import { uniformBuckets } from '../../store/range/buckets.ts';
import type { RangeAnswer, StatesRequest } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import { invalidParameter } from '../parameters.ts';
import { checkPointsMax } from './admission.ts';
import type { Asked, Cut } from './cut.ts';

/** Intervals of one answer over all series; more are told more coarsely. */
const INTERVALS_MAX = 100_000;

/**
 * What the store is asked of the states of these series. Nothing before the look-back is told, also not what held at the
 * domain's start.
 *
 * @throws TailraceError `bad_parameter` where none is a series of states, `forbidden` where the policy allows less than
 *   one interval a series.
 */
export function statesRequest(
  as: StatesRequest['as'],
  series: readonly Series[],
  grant: Grant,
  nowUs: number,
): { readonly states: StatesRequest; readonly earliestUs: number } {
  const count = series.filter(({ kind }) => kind === 'state').length;
  if (count === 0 && series.length > 0) {
    throw invalidParameter('agg', `${as} is of series of states, and none of these is one`);
  }
  const earliestUs = permittedSpan(grant, nowUs).startUs;
  if (as === 'time_in_state') return { states: { as, nowUs }, earliestUs };
  checkPointsMax(count, grant);
  const { max_points: max = INTERVALS_MAX } = grant.obligations;
  const intervalsMax = Math.min(max, INTERVALS_MAX);
  return { states: { as, nowUs, intervalsMax }, earliestUs };
}

/**
 * The domain of intervals under a grant. Under a finest step it is whole buckets of that, and so is every interval: of a
 * bucket only its last state is told, as if it had held from the bucket's start.
 */
export function cutIntervals(
  { startUs, endUs, offsetUs }: Asked,
  grant: Grant,
  nowUs: number,
): Cut {
  const asked = { startUs: startUs - offsetUs, endUs: endUs - offsetUs, stepUs: 'raw' } as const;
  const { stepUs, ...domain } = clampRange(grant, asked, nowUs);
  if (stepUs === 'raw') {
    return { ...domain, resolution: { kind: 'raw', limit: INTERVALS_MAX }, stepMs: null };
  }
  const stepMs = stepUs / 1_000;
  const resolution = { kind: 'step', stepMs } as const;
  if (domain.startUs >= domain.endUs) return { ...domain, resolution, stepMs };
  const { startUs: firstUs, count } = uniformBuckets(
    { stepUs, originUs: 0 },
    domain.startUs,
    domain.endUs,
  );
  return { startUs: firstUs, endUs: firstUs + count * stepUs, resolution, stepMs };
}

/** The step to which intervals are told, in ms; null where they are exact. */
export function intervalStepMs({ buckets }: RangeAnswer): number | null {
  return buckets?.kind === 'uniform' ? buckets.stepUs / 1_000 : null;
}
