// GET /v1/series: what there is, as far as the caller may see it.
import { type Grant, redactLabels } from '../../policies/grant.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Latest } from '../../store/latest.ts';
import type { Series } from '../../store/series.ts';
import { parseMatch, selectVisible } from '../choice.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute, Parameter } from '../http/routes.ts';
import { invalidParameter, parameterReader, wholeNumber } from '../parameters.ts';
import { factsOf } from './facts.ts';

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;

const PARAMETERS: readonly Parameter[] = [
  {
    name: 'match',
    description: 'A selector in the syntax of Prometheus; everything unless given.',
    schema: { type: 'string' },
    example: '{asset="rig-7",channel=~"mud/.+"}',
  },
  {
    name: 'limit',
    description: 'Most series of an answer.',
    schema: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT },
  },
  {
    name: 'page',
    description: 'What the answer before gave as `next`.',
    schema: { type: 'string' },
  },
];

export interface SeriesRouteOptions {
  readonly catalogue: Catalogue;
  readonly latest: Latest;
}

/** Pages go by id, so that a series which appears between two of them neither repeats nor hides another. */
function readPage(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,10}$/.test(text))
    throw invalidParameter('page', 'is not what an answer gave as next');
  return Number(text);
}

/** Makes the route. */
export function seriesRoute({ catalogue, latest }: SeriesRouteOptions): DecidedRoute {
  function view(series: Series, grant: Grant) {
    const { id, asset, channel, unit, kind, index } = series;
    const labels = redactLabels(grant, series.labels);
    const ms = (us: number | undefined) => (us === undefined ? null : us / 1_000);
    const [first, last] = [ms(latest.firstUs(id)), ms(latest.lastUs(id))];
    return { id, asset, channel, labels, unit, kind, index, first, last };
  }

  return {
    method: 'GET',
    path: '/v1/series',
    grant: { action: 'series' },
    summary: 'Lists the series that the caller may see.',
    parameters: PARAMETERS,
    types: ['application/json'],
    prepare(request) {
      const reader = parameterReader(request.query, PARAMETERS);
      const match = reader.one('match');
      const selector = match === undefined ? [] : parseMatch(match);
      const limit = wholeNumber(reader, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT;
      const after = readPage(reader.one('page'));
      return {
        facts: factsOf(request),
        handle({ grant }) {
          const visible = selectVisible(selector, grant, catalogue);
          const found = visible.filter((series) => series.id > after);
          const page = found.slice(0, limit);
          const series = page.map((one) => view(one, grant));
          const next = found.length > limit ? String(page.at(-1)?.id) : undefined;
          return reply(JSON.stringify({ series, next }));
        },
      };
    },
  };
}
