// GET /v1/series: what there is, as far as the caller may see it.
import type { Clock } from '../../lib/clock.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Series } from '../../store/series.ts';
import { parseMatch, selectVisible } from '../choice.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute, Parameter } from '../http/routes.ts';
import { invalidParameter, pagingParameters, parameterReader, wholeNumber } from '../parameters.ts';
import { type EndsSources, type ShownEnds, shownEnds } from './ends.ts';
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
  ...pagingParameters('series of an answer', LIMIT_MAX, LIMIT_DEFAULT),
];

export interface SeriesRouteOptions extends EndsSources {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** Pages go by id, so that a series which appears between two of them neither repeats nor hides another. */
function readPage(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,10}$/.test(text))
    throw invalidParameter('page', 'is not what an answer gave as next');
  return Number(text);
}

const ms = (us: number | undefined) => (us === undefined ? null : us / 1_000);

function view(series: Series, ends: ShownEnds | undefined) {
  const { id, asset, channel, labels, unit, kind, index } = series;
  const [first, last] = [ms(ends?.firstUs), ms(ends?.lastUs)];
  return { id, asset, channel, labels, unit, kind, index, first, last };
}

/** Makes the route. */
export function seriesRoute(sources: SeriesRouteOptions): DecidedRoute {
  const { catalogue, clock } = sources;
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
        async handle({ grant }) {
          const { max_series: max = LIMIT_MAX } = grant.obligations;
          const size = Math.min(limit, max);
          const found = selectVisible(selector, grant, catalogue, {
            afterId: after,
            max: size + 1,
          });
          const page = found.slice(0, size);
          const ends = await shownEnds(grant, page, sources, clock() * 1_000);
          const series = page.map((one) => view(one, ends.get(one.id)));
          const next = found.length > size ? String(page.at(-1)?.id) : undefined;
          return reply(JSON.stringify({ series, next }));
        },
      };
    },
  };
}
