// GET /v1/latest: the newest point of each series, from memory.
import type { Clock } from '../../lib/clock.ts';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Series } from '../../store/series.ts';
import { CHOICE_PARAMETERS, readChoice, requireChoice } from '../choice.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute } from '../http/routes.ts';
import { parameterReader } from '../parameters.ts';
import { checkPointsMax, checkSeriesMax } from '../range/admission.ts';
import { type EndsSources, type ShownEnds, shownEnds } from './ends.ts';
import { factsOf } from './facts.ts';

export interface LatestRouteOptions extends EndsSources {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** One series as JSON without what closes it: its age comes last. */
function openRow(series: Series, ends: ShownEnds): string {
  const { id, asset, channel, labels, unit } = series;
  const t = ends.lastUs / 1_000;
  const q = ends.quality === 0 ? undefined : ends.quality;
  return JSON.stringify({ id, asset, channel, labels, unit, t, v: ends.value, q }).slice(0, -1);
}

const ageMs = ({ lastUs }: ShownEnds, nowMs: number) => Math.round(nowMs - lastUs / 1_000);

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
          checkSeriesMax(wanted.length, grant);
          checkPointsMax(wanted.length, grant);
          await latest.caughtUp();
          // Before the points: they are at least as new as the cursor says.
          const cursor = encodeCursor(latest.position());
          const ends = await shownEnds(grant, wanted, sources, nowMs * 1_000);
          const shown = wanted.flatMap((one) => {
            const found = ends.get(one.id);
            return found === undefined ? [] : [{ row: openRow(one, found), found }];
          });
          const rows = shown.map(({ row, found }) => `${row},"age_ms":${ageMs(found, nowMs)}}`);
          // The cursor moves with what others write, and the age with the clock: neither is news of these series.
          const etagOf = shown.map(({ row }) => row).join();
          return reply(`{"series":[${rows}],"cursor":${JSON.stringify(cursor)}}`, { etagOf });
        },
      };
    },
  };
}
