// GET /v1/latest: the newest point of each series, from memory.
import type { Clock } from '../../lib/clock.ts';
import { encodeCursor } from '../../lib/feed/feed.ts';
import { type Grant, redactLabels } from '../../policies/grant.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Latest, LatestPoint } from '../../store/latest.ts';
import { CHOICE_PARAMETERS, readChoice, requireChoice } from '../choice.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute } from '../http/routes.ts';
import { parameterReader } from '../parameters.ts';
import type { RangeSources } from '../range/read.ts';
import { factsOf } from './facts.ts';
import { isNarrowed, latestWithin } from './latest-within.ts';

export interface LatestRouteOptions extends RangeSources {
  readonly catalogue: Catalogue;
  readonly latest: Latest;
  readonly clock: Clock;
}

function view(point: LatestPoint, grant: Grant, nowMs: number) {
  const { id, asset, channel, unit } = point.series;
  const labels = redactLabels(grant, point.series.labels);
  const t = point.timeUs / 1_000;
  const q = point.quality === 0 ? undefined : point.quality;
  return { id, asset, channel, labels, unit, t, v: point.value, q, age_ms: Math.round(nowMs - t) };
}

/** Makes the route. */
export function latestRoute(sources: LatestRouteOptions): DecidedRoute {
  const { catalogue, latest, clock } = sources;
  return {
    method: 'GET',
    path: '/v1/latest',
    grant: { action: 'latest' },
    summary: 'Gives the newest point of each series; one without points is left out.',
    parameters: CHOICE_PARAMETERS,
    types: ['application/json'],
    prepare(request) {
      const choice = readChoice(parameterReader(request.query, CHOICE_PARAMETERS));
      return {
        facts: factsOf(request),
        async handle({ grant }) {
          const nowMs = clock();
          const wanted = requireChoice(choice, grant, catalogue);
          await latest.caughtUp();
          // Before the points: they are at least as new as the cursor says.
          const cursor = encodeCursor(latest.position());
          const points = isNarrowed(grant)
            ? await latestWithin(grant, wanted, sources, nowMs * 1_000)
            : latest.of(wanted);
          const series = points.map((point) => view(point, grant, nowMs));
          return reply(JSON.stringify({ series, cursor }));
        },
      };
    },
  };
}
