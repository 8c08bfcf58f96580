// The story of a range behind every protocol: series, obligations, admission, store, columns.
import type { Feed } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import { permittedSpan } from '../../policies/obligations.ts';
import { domainOf, resolveBuckets } from '../../store/range/buckets.ts';
import type { RangeAnswer, RangeRequest } from '../../store/range/range.ts';
import type { RangeReader } from '../../store/range/read.ts';
import type { Series } from '../../store/series.ts';
import { checkSeriesMax } from './admission.ts';
import { admitCost, admittedStep } from './cost.ts';
import { cutDomain } from './cut.ts';
import type { Page } from './page.ts';
import type { Division, RangeQuery } from './parameters.ts';
import { shiftAnswer } from './shift.ts';
import { cutIntervals, intervalStepMs, statesRequest } from './states.ts';
import { needsPath, needsSketch, needsStats, type SeriesTable, tablesOf } from './table.ts';

export interface RangeSources {
  readonly rangeReader: RangeReader;
  readonly feed: Feed;
}

/** The part of a range's parameters that says what is read. */
export type RangeQuestion = Pick<
  RangeQuery,
  'startUs' | 'endUs' | 'resolution' | 'offsetUs' | 'aggregates' | 'states' | 'fill' | 'explain'
>;

export interface RangeResult {
  readonly answer: RangeAnswer;
  readonly tables: readonly SeriesTable[];
  /** null for raw, for months, and for days in a zone whose clock changes. */
  readonly stepMs: number | null;
}

/** What the store is asked, and the step as the answer says it. */
function requestOf(
  query: RangeQuestion,
  series: readonly Series[],
  grant: Grant,
  nowUs: number,
): { readonly request: RangeRequest; readonly stepMs: number | null } {
  const { explain = false } = query;
  if (query.states !== undefined) {
    const asked = statesRequest(query.states, series, grant, nowUs);
    const { stepMs, ...cut } =
      query.states === 'intervals'
        ? cutIntervals(query, grant, nowUs)
        : cutDomain(query, grant, series.length, nowUs);
    return { request: { series, ...cut, ...asked, explain }, stepMs };
  }
  const { stepMs, ...cut } = cutDomain(query, grant, series.length, nowUs);
  const { aggregates } = query;
  const request = {
    ...{ series, ...cut },
    stats: needsStats(aggregates),
    path: needsPath(aggregates),
    sketch: needsSketch(aggregates),
    earliestUs: permittedSpan(grant, nowUs).startUs,
    explain,
  };
  return { request, stepMs };
}

/** The answer where obligations left nothing of the domain, or nothing is selected: of whole buckets all the same. */
async function nothing(request: RangeRequest, feed: Feed): Promise<RangeAnswer> {
  const { resolution, startUs, endUs } = request;
  const isSpan = startUs < endUs;
  const domain =
    isSpan && resolution.kind !== 'raw'
      ? domainOf(resolveBuckets(resolution, startUs, endUs))
      : { startUs, endUs };
  return {
    ...domain,
    buckets: null,
    level: 'raw',
    segments: isSpan ? [{ level: 'raw', ...domain }] : [],
    complete: true,
    series: [],
    position: await feed.position(),
    ...(request.explain && { explained: { families: [], sql: [] } }),
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
  const again = (resolution: Division) =>
    requestOf({ ...resumed, resolution }, series, grant, nowUs).request;
  const spanUs = resumed.endUs - resumed.startUs;
  const { request, stepMs } = await admittedStep(
    resumed.resolution,
    again,
    rangeReader,
    spanUs,
    () => requestOf(resumed, series, grant, nowUs),
  );
  const isEmpty = request.startUs >= request.endUs || series.length === 0;
  if (!isEmpty) await admitCost(request, resumed.resolution, again, rangeReader);
  const answer = isEmpty ? await nothing(request, feed) : await rangeReader.read(request);
  const shown = shiftAnswer(answer, query.offsetUs);
  const told = request.states?.as === 'intervals' ? (intervalStepMs(answer) ?? stepMs) : stepMs;
  return { answer: shown, tables: tablesOf(shown, query), stepMs: told };
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
