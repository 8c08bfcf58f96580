// How a domain is divided under a grant: what the caller asked for, narrowed and coarsened by its obligations, and priced
// by its buckets before anything is read.
import type { Grant } from '../../policies/grant.ts';
import {
  clampEdges,
  clampRange,
  type Domain,
  permittedOrigin,
  permittedSpan,
} from '../../policies/obligations.ts';
import {
  type CalendarStep,
  calendarEdges,
  clockChanges,
  estimateBuckets,
} from '../../store/range/calendar.ts';
import type { RangeResolution } from '../../store/range/range.ts';
import { STEP_MAX_MS, stepForWidth } from '../../store/range/step.ts';
import { admit, admitBuckets, overBudget, withinBudget } from './admission.ts';
import type { Division } from './parameters.ts';

/** What is asked for, µs since 1970 UTC, before an offset moves it. */
export interface Asked {
  readonly startUs: number;
  readonly endUs: number;
  readonly resolution: Division;
  readonly offsetUs: number;
}

/** What the store is asked; nothing where `startUs` is `endUs`. */
export interface Cut {
  readonly startUs: number;
  readonly endUs: number;
  readonly resolution: Exclude<RangeResolution, { kind: 'width' }>;
  /** As the answer says it: null for raw, for months, and for days in a zone whose clock changes. */
  readonly stepMs: number | null;
}

type StepDivision = Extract<Division, { kind: 'step' }>;
type CalendarDivision = Extract<Division, { kind: 'calendar' }>;
type RawDivision = Extract<Division, { kind: 'raw' }>;

function stepOf(resolution: Exclude<Division, RawDivision | CalendarDivision>, spanUs: number) {
  if (resolution.kind === 'step') return resolution;
  return { kind: 'step', stepMs: stepForWidth(spanUs, resolution.pixels), originMs: 0 } as const;
}

/** Step of the buckets that were asked for, in ms; null for raw points. The policy is told. */
export function askedStepMs({ resolution, startUs, endUs }: Asked): number | null {
  switch (resolution.kind) {
    case 'raw':
      return null;
    case 'calendar':
      return resolution.stepMs;
    default:
      return stepOf(resolution, endUs - startUs).stepMs;
  }
}

/**
 * Divides a domain for `seriesCount` series.
 *
 * @throws TailraceError `forbidden` where the budget of points is too small for these series, `too_costly`.
 */
export function cutDomain(asked: Asked, grant: Grant, seriesCount: number, nowUs: number): Cut {
  const { resolution, startUs, endUs } = asked;
  switch (resolution.kind) {
    case 'raw':
      return cutRaw(asked, resolution, grant, seriesCount, nowUs);
    case 'calendar':
      return cutByCalendar(asked, resolution, grant, seriesCount, nowUs);
    default:
      return cutBySteps(asked, stepOf(resolution, endUs - startUs), grant, seriesCount, nowUs);
  }
}

/** Points, or buckets of the finest step where no points may be seen. */
function cutRaw(
  asked: Asked,
  resolution: RawDivision,
  grant: Grant,
  seriesCount: number,
  nowUs: number,
): Cut {
  const { finest_step_ms: finestMs, max_points: max } = grant.obligations;
  if (finestMs !== undefined) {
    const finest: StepDivision = { kind: 'step', stepMs: finestMs, originMs: 0 };
    return cutBySteps(asked, finest, grant, seriesCount, nowUs);
  }
  const { startUs, endUs, offsetUs } = asked;
  const read: Domain = { startUs: startUs - offsetUs, endUs: endUs - offsetUs, stepUs: 'raw' };
  const { stepUs: _, ...domain } = clampRange(grant, read, nowUs);
  const limit = Math.min(resolution.limit, max ?? resolution.limit);
  return { ...domain, resolution: { ...resolution, limit }, stepMs: null };
}

/**
 * Weeks start on Mondays, an offset moves every bucket, and obligations count from 1970: everything is moved by the
 * origin of the buckets before it is clamped, and back again after.
 */
function cutBySteps(
  asked: Asked,
  division: StepDivision,
  grant: Grant,
  seriesCount: number,
  nowUs: number,
): Cut {
  const { startUs, endUs, offsetUs } = asked;
  const originUs = permittedOrigin(grant, division.originMs * 1_000 - offsetUs);
  const shiftUs = offsetUs + originUs;
  const wanted: Domain = {
    startUs: startUs - shiftUs,
    endUs: endUs - shiftUs,
    stepUs: division.stepMs * 1_000,
  };
  const clamped = clampRange(grant, wanted, nowUs - originUs);
  const domain = withinBudget(clamped, grant, seriesCount, nowUs - originUs);
  const stepMs = Number(domain.stepUs) / 1_000;
  admit(domain.endUs - domain.startUs, stepMs, seriesCount);
  return {
    startUs: domain.startUs + originUs,
    endUs: domain.endUs + originUs,
    resolution: { kind: 'step', stepMs, originMs: originUs / 1_000 },
    stepMs,
  };
}

/** Calendar buckets get twice as long until they are within the budget of points. */
function cutByCalendar(
  asked: Asked,
  division: CalendarDivision,
  grant: Grant,
  seriesCount: number,
  nowUs: number,
): Cut {
  const { startUs, endUs, offsetUs } = asked;
  const { max_points: max = Number.POSITIVE_INFINITY } = grant.obligations;
  const { unit, zone } = division;
  const span = permittedPart(asked, grant, nowUs);
  for (let count = division.count; ; count *= 2) {
    const estimate = estimateBuckets({ unit, count }, span.endUs - span.startUs) * seriesCount;
    // Looking for edges takes time, so those of far too many buckets are not looked for.
    if (estimate <= max) admitBuckets(estimate, endUs - startUs, seriesCount);
    const edgesUs =
      estimate > max ? undefined : clampedEdges({ unit, zone, count }, span, asked, grant, nowUs);
    const buckets = Math.max(0, (edgesUs?.length ?? 0) - 1) * seriesCount;
    if (edgesUs === undefined || buckets > max) {
      const isLongest = lengthMs(division, count * 2) > STEP_MAX_MS;
      if (seriesCount > max || isLongest) throw overBudget(max, seriesCount);
      continue;
    }
    admitBuckets(buckets, endUs - startUs, seriesCount);
    return {
      startUs: edgesUs[0] ?? startUs - offsetUs,
      endUs: edgesUs.at(-1) ?? startUs - offsetUs,
      resolution: { kind: 'edges', edgesUs },
      stepMs: equalStepMs(asked, { unit, zone, count }, division, grant),
    };
  }
}

/** Of buckets of so many units; of a month as the policy is told. */
function lengthMs(division: CalendarDivision, count: number): number {
  return (division.stepMs / division.count) * count;
}

/** The part of what is asked for that may be shown at all, as the caller sees it; edges of nothing else are looked for. */
function permittedPart({ startUs, endUs, offsetUs }: Asked, grant: Grant, nowUs: number) {
  const permitted = permittedSpan(grant, nowUs);
  const fromUs = Math.max(startUs, permitted.startUs + offsetUs);
  return { startUs: fromUs, endUs: Math.max(fromUs, Math.min(endUs, permitted.endUs + offsetUs)) };
}

/** Edges of the buckets that touch a span and that the grant allows, as they are read. */
function clampedEdges(
  step: CalendarStep,
  span: { readonly startUs: number; readonly endUs: number },
  { offsetUs }: Asked,
  grant: Grant,
  nowUs: number,
): Float64Array {
  const none = new Float64Array(0);
  if (span.startUs >= span.endUs) return none;
  const { finest_step_ms: finestMs = 0 } = grant.obligations;
  // Under a finest step edges move down, the last one perhaps into the span: so one more bucket may have to hold its end.
  const edges = calendarEdges(step, span.startUs, span.endUs + finestMs * 1_000);
  const read = edges.map((edge) => edge - offsetUs);
  const clamped = clampEdges(grant, read, nowUs);
  const [startUs, endUs] = [span.startUs - offsetUs, span.endUs - offsetUs];
  const touching = clamped.filter(
    (edge, i) => (clamped[i + 1] ?? edge + 1) > startUs && (clamped[i - 1] ?? edge - 1) < endUs,
  );
  return touching.length < 2 ? none : touching;
}

/** The length of calendar buckets where they are all of one, whatever part of them is asked for. */
function equalStepMs(
  { startUs, endUs }: Asked,
  { unit, zone, count }: CalendarStep,
  division: CalendarDivision,
  { obligations: { finest_step_ms: finestMs = 1 } }: Grant,
): number | null {
  const stepMs = lengthMs(division, count);
  // Edges of days that are no multiples of the finest step have moved, each by another length.
  if (unit === 'month' || stepMs % finestMs !== 0) return null;
  return clockChanges(zone, startUs, endUs) ? null : stepMs;
}
