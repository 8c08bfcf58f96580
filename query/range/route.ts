// GET /v1/range.

import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import { requireChoice } from '../choice.ts';
import { chooseType } from '../http/negotiate.ts';
import { type AnyReply, type Reply, reply } from '../http/reply.ts';
import type { Request } from '../http/request.ts';
import type { DecidedRoute, RequestFacts } from '../http/routes.ts';
import { invalidParameter, parameterReader } from '../parameters.ts';
import { factsOf } from '../routes/facts.ts';
import { RANGE_ANSWER } from './answer-schema.ts';
import { askedStepMs } from './cut.ts';
import { within } from './deadline.ts';
import { type Answered, rangeJson, rangeMsgpack } from './encode.ts';
import { decodePage, encodePage, type Page, questionOf } from './page.ts';
import {
  FORMATS,
  type Format,
  RANGE_PARAMETERS,
  type RangeQuery,
  readRangeQuery,
} from './parameters.ts';
import type { ReaderOf } from './queued-reader.ts';
import { isStreamFormat, rawStreamReply } from './raw-stream.ts';
import { type RangeSources, readRange } from './read.ts';
import { rangeCsv, rangeNdjson } from './rows.ts';
import { type StillAllowedSources, stillAllowed } from './still-allowed.ts';

const TYPE_OF: Readonly<Record<Format, string>> = {
  json: 'application/json',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  msgpack: 'application/msgpack',
  arrow: 'application/vnd.apache.arrow.stream',
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

function linkTo(request: Request, next: string): string {
  const query = new URLSearchParams(request.query);
  query.set('page', next);
  return `<${request.path}?${query}>; rel="next"`;
}

function typeHeader(format: Format) {
  return {
    'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8; header=present' : TYPE_OF[format],
  };
}

async function encode(format: Format, answered: Answered, request: Request): Promise<Reply> {
  const { tables, next, answer } = answered;
  const headers = {
    ...typeHeader(format),
    ...(next === undefined ? {} : { Link: linkTo(request, next) }),
  };
  const { level } = answer;
  if (format === 'csv') return reply(rangeCsv(tables), { headers, level });
  if (format === 'ndjson') return reply(rangeNdjson(tables), { headers, level });
  if (format === 'arrow') {
    const { rangeArrow } = await import('./arrow.ts');
    return reply(rangeArrow(answered), { headers, level });
  }
  const { body, etagOf } = format === 'json' ? rangeJson(answered) : rangeMsgpack(answered);
  return reply(body, { headers, etagOf, level });
}

export interface RangeRouteSources extends Pick<RangeSources, 'feed'> {
  readonly readerOf: ReaderOf;
  readonly authority: StillAllowedSources['authority'];
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** A request with what was decided on it. */
interface Decided {
  readonly claims: Claims;
  readonly grant: Grant;
  readonly facts: RequestFacts;
  readonly signal: AbortSignal;
}

/** Makes the route. */
export function rangeRoute(sources: RangeRouteSources): DecidedRoute {
  async function answer(
    request: Request,
    query: RangeQuery,
    format: Format,
    decided: Decided,
    nowUs: number,
    page: Page | undefined,
  ): Promise<AnyReply> {
    const { claims, grant, signal } = decided;
    const series = requireChoice(query.choice, grant, sources.catalogue);
    const result = await within(query.timeoutMs, signal, (ended) => {
      const rangeReader = sources.readerOf(claims, ended);
      return readRange(series, query, grant, { ...sources, rangeReader }, nowUs, page);
    });
    const { next: after } = result.answer;
    // Under a budget of points these are paged as well: all pages together would be more than one answer may have.
    const isPaged = query.limited || grant.obligations.max_points !== undefined;
    if (after !== undefined && !isPaged && isStreamFormat(format)) {
      return rawStreamReply({
        ...{ format, headers: typeHeader(format), first: result, next: after },
        ...{ offsetUs: query.offsetUs, rangeReader: sources.readerOf(claims), signal },
        check: stillAllowed({ ...decided, series }, sources),
      });
    }
    const { startUs, endUs } = page ?? query;
    const question = questionOf(request.query);
    const next = after === undefined ? undefined : encodePage(question, { startUs, endUs, after });
    return encode(format, { ...result, grant, next }, request);
  }

  return {
    method: 'GET',
    path: '/v1/range',
    grant: { action: 'range' },
    summary:
      'Gives buckets (first, last, min, max with their times, unless told otherwise) or raw points.',
    parameters: RANGE_PARAMETERS,
    types: TYPES,
    answer: z.toJSONSchema(RANGE_ANSWER),
    prepare(request) {
      const nowMs = sources.clock();
      const query = readRangeQuery(parameterReader(request.query, RANGE_PARAMETERS), nowMs * 1_000);
      const format = formatOf(query, request.headers.get('accept'));
      if (query.explain && format !== 'json' && format !== 'msgpack') {
        throw invalidParameter(
          'explain',
          `is of json and msgpack, and ${format} has no place for it`,
        );
      }
      const page =
        query.page === undefined ? undefined : decodePage(query.page, questionOf(request.query));
      // A page carries its own domain, and an offset moves it: what is read is what the policy decides on.
      const { startUs, endUs } = page ?? query;
      const facts = {
        ...factsOf(request),
        start: (startUs - query.offsetUs) / 1_000,
        end: (endUs - query.offsetUs) / 1_000,
        step_ms: askedStepMs(query),
      };
      return {
        facts,
        handle: (access) =>
          answer(request, query, format, { ...access, facts }, nowMs * 1_000, page),
      };
    },
  };
}
