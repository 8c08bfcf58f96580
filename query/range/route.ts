// GET /v1/range.

import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Grant } from '../../policies/grant.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { RangeReader } from '../../store/range/read.ts';
import { requireChoice } from '../choice.ts';
import { chooseType } from '../http/negotiate.ts';
import { type Reply, reply } from '../http/reply.ts';
import type { Request } from '../http/request.ts';
import type { DecidedRoute } from '../http/routes.ts';
import { parameterReader } from '../parameters.ts';
import { factsOf } from '../routes/facts.ts';
import { askedStepMs } from './cut.ts';
import { endingWith, within } from './deadline.ts';
import {
  type Answered,
  rangeCsv,
  rangeEtag,
  rangeJson,
  rangeMsgpack,
  rangeNdjson,
  seriesJson,
} from './encode.ts';
import { decodePage, encodePage, type Page, questionOf } from './page.ts';
import {
  FORMATS,
  type Format,
  RANGE_PARAMETERS,
  type RangeQuery,
  readRangeQuery,
} from './parameters.ts';
import { type RangeResult, type RangeSources, readRange } from './read.ts';

/** Points of a CSV or NDJSON that nobody limited; read in pages, and answered as one. */
const UNLIMITED_POINTS_MAX = 2_000_000;

const TYPE_OF: Readonly<Record<Format, string>> = {
  json: 'application/json',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  msgpack: 'application/msgpack',
};
const TYPES = FORMATS.map((format) => TYPE_OF[format]);

function formatOf(query: RangeQuery, accept: string | undefined): Format {
  const named = FORMATS.find((format) => format === query.format);
  if (named !== undefined) return named;
  const type = chooseType(accept, TYPES);
  const format = FORMATS.find((candidate) => TYPE_OF[candidate] === type);
  if (format !== undefined) return format;
  throw new TailraceError('not_acceptable', `A range comes as ${TYPES.join(', ')}.`);
}

/** All pages of raw points as one result. */
async function readAll(
  first: RangeResult,
  readNext: (result: RangeResult) => Promise<RangeResult>,
): Promise<RangeResult> {
  const tables = [...first.tables];
  let result = first;
  while (result.answer.next !== undefined) {
    result = await readNext(result);
    tables.push(...result.tables);
    const points = tables.reduce((sum, table) => sum + (table.columns[0]?.cells.length ?? 0), 0);
    if (points > UNLIMITED_POINTS_MAX) {
      throw new TailraceError(
        'too_costly',
        `More than ${UNLIMITED_POINTS_MAX} points: give a limit and follow Link, or ask for a step.`,
        { details: { parameter: 'limit', step: '1m' } },
      );
    }
  }
  return { ...result, tables };
}

function linkTo(request: Request, next: string): string {
  const query = new URLSearchParams(request.query);
  query.set('page', next);
  return `<${request.path}?${query}>; rel="next"`;
}

function encode(format: Format, answered: Answered, request: Request): Reply {
  const { tables, next, answer } = answered;
  const headers = {
    'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8; header=present' : TYPE_OF[format],
    ...(next === undefined ? {} : { Link: linkTo(request, next) }),
  };
  const { level } = answer;
  if (format === 'csv') return reply(rangeCsv(tables), { headers, level });
  if (format === 'ndjson') return reply(rangeNdjson(tables), { headers, level });
  const series = seriesJson(answered);
  const etagOf = rangeEtag(answered, series);
  const body = format === 'json' ? rangeJson(answered, series) : rangeMsgpack(answered);
  return reply(body, { headers, etagOf, level });
}

export interface RangeRouteSources extends RangeSources {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** Makes the route. */
export function rangeRoute(sources: RangeRouteSources): DecidedRoute {
  async function answer(
    request: Request,
    query: RangeQuery,
    format: Format,
    grant: Grant,
    nowUs: number,
    page: Page | undefined,
    rangeReader: RangeReader,
  ): Promise<Reply> {
    const question = questionOf(request.query);
    const { startUs, endUs } = page ?? query;
    // Under a budget of points these are paged as well: all pages together would be more than one answer may have.
    const isBudgeted = grant.obligations.max_points !== undefined;
    const whole = (format === 'csv' || format === 'ndjson') && !query.limited && !isBudgeted;
    const series = requireChoice(query.choice, grant, sources.catalogue);
    const from = { ...sources, rangeReader };
    const first = await readRange(series, query, grant, from, nowUs, page);
    const readNext = ({ answer: { next } }: RangeResult) => {
      if (next === undefined) throw new Error('there is no next page');
      return readRange(series, query, grant, from, nowUs, { startUs, endUs, after: next });
    };
    const { answer, tables, stepMs } = whole ? await readAll(first, readNext) : first;
    const after = whole ? undefined : answer.next;
    const next = after === undefined ? undefined : encodePage(question, { startUs, endUs, after });
    return encode(format, { answer, tables, stepMs, grant, next }, request);
  }

  return {
    method: 'GET',
    path: '/v1/range',
    grant: { action: 'range' },
    summary:
      'Gives buckets (first, last, min, max with their times, unless told otherwise) or raw points.',
    parameters: RANGE_PARAMETERS,
    types: TYPES,
    prepare(request) {
      const nowMs = sources.clock();
      const query = readRangeQuery(parameterReader(request.query, RANGE_PARAMETERS), nowMs * 1_000);
      const format = formatOf(query, request.headers.get('accept'));
      const page =
        query.page === undefined ? undefined : decodePage(query.page, questionOf(request.query));
      // A page carries its own domain, and an offset moves it: what is read is what the policy decides on.
      const { startUs, endUs } = page ?? query;
      return {
        facts: {
          ...factsOf(request),
          start: (startUs - query.offsetUs) / 1_000,
          end: (endUs - query.offsetUs) / 1_000,
          step_ms: askedStepMs(query),
        },
        handle: ({ grant, signal }) =>
          within(query.timeoutMs, signal, (ended) => {
            const rangeReader = endingWith(sources.rangeReader, ended);
            return answer(request, query, format, grant, nowMs * 1_000, page, rangeReader);
          }),
      };
    },
  };
}
