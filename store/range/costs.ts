// Looks up what the price of a range is made of. The account of the rollups is kept for a moment; points are counted only
// where their number could decide.
import { type Readable, readEach } from '../../sql/snapshot.ts';
import { selectRollupStates } from '../../sql/statements/selectRollupStates.ts';
import { sumRolledUpPoints } from '../../sql/statements/sumRolledUpPoints.ts';
import { type BucketRequest, type CostFacts, countedBy, estimateRows } from './estimate.ts';

/** Does work when its turn at the database has come. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** Gives the facts of a request's price. Where points have to be counted, that waits for its `turn`. */
export type CostFactsOf = (request: BucketRequest, turn?: Turn) => Promise<CostFacts>;

/** How old the account of the rollups may be; their horizons move on meanwhile, which makes ranges cheaper. */
const AGE_MAX_MS = 5_000;
/** A thousand points a second: a range that is cheap even so needs no counting. */
const DENSE_PER_US = 1e-3;
/** Nobody is refused for what nobody knows: where nothing is counted yet, the timeout has to do. */
const UNKNOWN_PER_US = 0;

/** Makes the look-up. Ranges of up to `rowsMax` rows are cheap. */
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
    const dense = { rollups, pointsPerUs: DENSE_PER_US };
    if (estimateRows(request, dense) <= rowsMax) return dense;
    const counted = countedBy(request, rollups);
    const ids = request.series.filter(({ kind }) => kind === 'number').map(({ id }) => id);
    if (counted === undefined || ids.length === 0) return { rollups, pointsPerUs: UNKNOWN_PER_US };
    const { name, startUs, endUs } = counted;
    // Of many series over years that is work itself, and whoever is refused for the price has had it all the same.
    const points = await turn(() => sumRolledUpPoints(reader, name, ids, startUs, endUs));
    return { rollups, pointsPerUs: points / ids.length / (endUs - startUs) };
  };
}
