// Looks up what the price of a range is made of. The account of the rollups is kept for a moment; points are counted only
// where their number could decide: by a rollup, and where no rollup has counted yet, by samples.
import { type Readable, type Reading, readEach } from '../../sql/snapshot.ts';
import { sampleReadings } from '../../sql/statements/sampleReadings.ts';
import { selectRollupStates } from '../../sql/statements/selectRollupStates.ts';
import { sumRolledUpPoints } from '../../sql/statements/sumRolledUpPoints.ts';
import { type CostFacts, countedBy, domainOfRequest, estimateRows } from './estimate.ts';
import type { RangeRequest } from './range.ts';

/** Does work when its turn at the database has come. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** Gives the facts of a request's price. Where points have to be counted, that waits for its `turn`. */
export type CostFactsOf = (request: RangeRequest, turn?: Turn) => Promise<CostFacts>;

/** How old the account of the rollups may be; their horizons move on meanwhile, which makes ranges cheaper. */
const AGE_MAX_MS = 5_000;
/** A thousand points a second: a range that is cheap even so needs no counting. */
const DENSE_PER_US = 1e-3;
/** Points that samples look at, over all series and stretches; some 20 ms embedded. */
const SAMPLED_POINTS_MAX = 50_000;
/** So many series stand for all of them. */
const SAMPLED_SERIES_MAX = 32;
/** Parts of the time that are looked at, each from its start. */
const SAMPLED_STRETCHES = 8;

/** Makes the look-up. Ranges of up to `rowsMax` rows are cheap; with 0, points are always counted. */
export function createCostFacts(
  database: Readable,
  rowsMax: number,
  clock: () => number = () => performance.now(),
): CostFactsOf {
  let kept: { readonly rollups: CostFacts['rollups']; readonly atMs: number } | undefined;

  return async (request, turn = (work) => work()) => {
    const reader = readEach(database, request.signal);
    if (kept === undefined || clock() - kept.atMs > AGE_MAX_MS) {
      kept = { rollups: await selectRollupStates(reader), atMs: clock() };
    }
    const { rollups } = kept;
    const dense = { rollups, pointsPerUs: DENSE_PER_US, statesPerUs: DENSE_PER_US };
    if (estimateRows(request, dense) <= rowsMax) return dense;
    // Of many series over years that is work itself, and whoever is refused for the price has had it all the same.
    return turn(() => countPoints(reader, request, rollups));
  };
}

async function countPoints(
  reader: Reading,
  request: RangeRequest,
  rollups: CostFacts['rollups'],
): Promise<CostFacts> {
  const idsOf = (kind: 'number' | 'state') =>
    request.series.filter((series) => series.kind === kind).map(({ id }) => id);
  const { startUs, endUs } = domainOfRequest(request);
  const statesPerUs = await sampled(reader, 'state_reading', idsOf('state'), startUs, endUs);
  const ids = request.states === undefined ? idsOf('number') : [];
  const counted = ids.length === 0 ? undefined : countedBy(request, rollups);
  if (counted === undefined) {
    const pointsPerUs = await sampled(reader, 'reading', ids, startUs, endUs);
    return { rollups, pointsPerUs, statesPerUs };
  }
  const { name, startUs: fromUs, endUs: untilUs } = counted;
  const points = await sumRolledUpPoints(reader, name, ids, fromUs, untilUs);
  const fresh = await sampled(reader, 'reading', ids, untilUs, endUs);
  return {
    ...{ rollups, statesPerUs, pointsPerUs: points / ids.length / (untilUs - fromUs) },
    fresh: { fromUs: untilUs, pointsPerUs: fresh },
  };
}

/** Points of one series in a µs of [startUs, endUs), by the first points of some of its parts, of some of the series. */
async function sampled(
  reader: Reading,
  table: 'reading' | 'state_reading',
  ids: readonly number[],
  startUs: number,
  endUs: number,
): Promise<number> {
  if (ids.length === 0 || startUs >= endUs) return 0;
  const every = Math.ceil(ids.length / SAMPLED_SERIES_MAX);
  const some = ids.filter((_, index) => index % every === 0);
  const lengthUs = (endUs - startUs) / SAMPLED_STRETCHES;
  const stretches = Array.from({ length: SAMPLED_STRETCHES }, (_, index) => ({
    startUs: Math.round(startUs + index * lengthUs),
    endUs: Math.round(startUs + (index + 1) * lengthUs),
  }));
  const limit = Math.floor(SAMPLED_POINTS_MAX / SAMPLED_STRETCHES / some.length);
  const samples = await sampleReadings(reader, table, some, stretches, limit);
  const points = samples.reduce((sum, { stretch, points: found, lastUs }) => {
    if (found < limit) return sum + found;
    const { startUs: fromUs } = stretches[stretch]!;
    return sum + (found / (lastUs - fromUs + 1)) * lengthUs;
  }, 0);
  return points / some.length / (endUs - startUs);
}
