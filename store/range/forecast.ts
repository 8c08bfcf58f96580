// What the next snapshot will most likely say of the rollups: what the last one said. A range asks for rows by the plan that
// follows from it along with the account itself, which saves waiting for one before asking for the other. The plan that
// counts is made of what the snapshot says; where the forecast was wrong its rows are left, and asked for again.
import type { Metrics } from '../../lib/metrics.ts';
import type { RollupState } from './plan.ts';

export interface Forecast {
  /** The rollups as they were last seen; undefined where there is no telling. */
  rollupsFor(seriesIds: readonly number[]): readonly FamilyRollup[] | undefined;
  /** Takes what a snapshot said of the rollups, and whether it found any of these series' stale. */
  saw(rollups: readonly FamilyRollup[], seriesIds: readonly number[], isStale: boolean): void;
}

/** A rollup, and of which family it is. */
export type FamilyRollup = RollupState & { readonly family: 'm4' | 'path' | 'sketch' };

/** Series whose late data makes each plan another. */
const STALE_MAX = 10_000;

/** Makes a forecast that has seen nothing. */
export function createForecast(metrics: Pick<Metrics, 'bounded'>): Forecast {
  let seen: readonly FamilyRollup[] | undefined;
  const stale = new Set<number>();
  metrics.bounded('range_forecast_stale_series', () => stale.size, STALE_MAX);
  return {
    rollupsFor: (ids) => (ids.some((id) => stale.has(id)) ? undefined : seen),
    saw(rollups, ids, isStale) {
      seen = rollups;
      for (const id of ids) {
        if (!isStale) stale.delete(id);
        else if (stale.size < STALE_MAX) stale.add(id);
      }
    },
  };
}
