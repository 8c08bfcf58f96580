// The story of a range behind every protocol: series, obligations, admission, store, columns.
import type { Feed } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import { clampRange, type Domain, permittedOrigin } from '../../policies/obligations.ts';
import type { RangeAnswer, RangeRequest, RangeResolution } from '../../store/range/range.ts';
import type { RangeReader } from '../../store/range/read.ts';
import { stepForWidth } from '../../store/range/step.ts';
import type { Series } from '../../store/series.ts';
import { admit, checkSeriesMax, withinBudget } from './admission.ts';
import type { Page } from './page.ts';
import type { RangeQuery } from './parameters.ts';
import { needsStats, type SeriesTable, tablesOf } from './table.ts';

export interface RangeSources {
  readonly rangeReader: RangeReader;
  readonly feed: Feed;
}

/** The part of a range's parameters that says what is read. */
export type RangeQuestion = Pick<
  RangeQuery,
  'startUs' | 'endUs' | 'resolution' | 'aggregates' | 'fill'
>;

export interface RangeResult {
  readonly answer: RangeAnswer;
  readonly tables: readonly SeriesTable[];
}

function stepOf(resolution: RangeResolution, spanUs: number): { stepMs: number; originMs: number } {
  if (resolution.kind === 'width') {
    return { stepMs: stepForWidth(spanUs, resolution.pixels), originMs: 0 };
  }
  if (resolution.kind === 'step') return { originMs: 0, ...resolution };
  throw new Error('raw points have no step');
}

/** Step of the buckets that were asked for, in ms; null for raw points. The policy is told. */
export function askedStepMs(query: RangeQuery): number | null {
  const { resolution, startUs, endUs } = query;
  return resolution.kind === 'raw' ? null : stepOf(resolution, endUs - startUs).stepMs;
}

/**
 * What the store is asked. Weeks start on Mondays and obligations count from 1970: everything is moved by the origin of
 * the buckets before it is clamped, and back again after.
 *
 * @throws TailraceError `forbidden` where the budget of points is too small for these series, `too_costly`.
 */
export function requestOf(
  query: RangeQuestion,
  series: readonly Series[],
  grant: Grant,
  nowUs: number,
): RangeRequest {
  const { resolution, startUs, endUs } = query;
  const asked = resolution.kind === 'raw' ? undefined : stepOf(resolution, endUs - startUs);
  const originUs = permittedOrigin(grant, (asked?.originMs ?? 0) * 1_000);
  const stepUs = asked === undefined ? 'raw' : asked.stepMs * 1_000;
  const wanted: Domain = { startUs: startUs - originUs, endUs: endUs - originUs, stepUs };
  const clamped = clampRange(grant, wanted, nowUs - originUs);
  const domain = withinBudget(clamped, grant, series.length, nowUs - originUs);
  const span = { series, startUs: domain.startUs + originUs, endUs: domain.endUs + originUs };
  if (domain.stepUs === 'raw' && resolution.kind === 'raw') {
    const limit = Math.min(resolution.limit, grant.obligations.max_points ?? resolution.limit);
    return { ...span, resolution: { ...resolution, limit } };
  }
  const stepMs = Number(domain.stepUs) / 1_000;
  admit(span.endUs - span.startUs, stepMs, series.length);
  const stats = needsStats(query.aggregates);
  return { ...span, resolution: { kind: 'step', stepMs, originMs: originUs / 1_000 }, stats };
}

/** The answer where obligations left nothing of the domain. */
async function nothing(request: RangeRequest, feed: Feed): Promise<RangeAnswer> {
  const { resolution, startUs, endUs } = request;
  return {
    startUs,
    endUs,
    stepMs: resolution.kind === 'step' ? resolution.stepMs : null,
    level: 'raw',
    segments: [],
    complete: true,
    series: [],
    position: await feed.position(),
  };
}

/**
 * Answers a range of series that the grant allows, within its obligations.
 *
 * @throws TailraceError `forbidden` (more series or points than the policy allows at once), `too_costly`.
 */
export async function readRange(
  series: readonly Series[],
  query: RangeQuestion,
  grant: Grant,
  sources: RangeSources,
  nowUs: number,
  page?: Page,
): Promise<RangeResult> {
  const { rangeReader, feed } = sources;
  checkSeriesMax(series.length, grant);
  const resumed = page === undefined ? query : resume(query, page);
  const request = requestOf(resumed, series, grant, nowUs);
  const answer =
    request.startUs >= request.endUs || series.length === 0
      ? await nothing(request, feed)
      : await rangeReader.read(request);
  return { answer, tables: tablesOf(answer, query) };
}

/**
 * Says whether a range would be read, without reading it.
 *
 * @throws TailraceError `forbidden`, `too_costly`, as `readRange`.
 */
export function admitRange(
  series: readonly Series[],
  query: RangeQuestion,
  grant: Grant,
  nowUs: number,
): void {
  checkSeriesMax(series.length, grant);
  requestOf(query, series, grant, nowUs);
}

/** The question as the page before it was asked, `now` included, from where that ended. */
function resume(query: RangeQuestion, page: Page): RangeQuestion {
  const { startUs, endUs, after } = page;
  const resolution =
    query.resolution.kind === 'raw' ? { ...query.resolution, after } : query.resolution;
  return { ...query, startUs, endUs, resolution };
}
