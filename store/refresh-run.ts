// One run of the refresher: under the late horizon's lock, move the horizon and claim what is dirty; then, rollup by
// rollup, refresh what is stale and what is new, slice by slice; then take the marks back. Where a run breaks off, the
// next one claims what is left: all of its state stands in the database.
import { beginClaiming } from '../sql/statements/beginClaiming.ts';
import { claimDirtyRanges, type DirtyClaim } from '../sql/statements/claimDirtyRanges.ts';
import { deleteDirtyRanges } from '../sql/statements/deleteDirtyRanges.ts';
import { lockRefresher, unlockRefresher } from '../sql/statements/lockRefresher.ts';
import { markRefreshed } from '../sql/statements/markRefreshed.ts';
import { moveLateHorizon } from '../sql/statements/moveLateHorizon.ts';
import { moveMaterialisedBefore } from '../sql/statements/moveMaterialisedBefore.ts';
import { refreshRollup } from '../sql/statements/refreshRollup.ts';
import {
  type MaintainedRollup,
  selectMaintainedRollups,
} from '../sql/statements/selectMaintainedRollups.ts';
import { selectOldestChunk } from '../sql/statements/selectOldestChunk.ts';
import { type Client, transactOn, type Writable, withClient } from '../sql/transaction.ts';
import {
  adaptSlice,
  horizonOf,
  planRollup,
  rollupEnd,
  takeNewest,
  takeOldest,
  type Window,
} from './refresh-plan.ts';

/** Marks claimed at once: the claim holds writers up, 20 ms for so many. */
const CLAIMS_MAX = 5000;
const FIRST_SLICE_BUCKETS = 16;

export interface RefreshRunOptions {
  readonly database: Writable;
  readonly sliceMaxMs: number;
  /** Told of every slice. */
  readonly onSlice: (rollup: string, tookMs: number) => void;
  /** Aborted between slices. */
  readonly signal: AbortSignal;
}

interface Claimed {
  readonly lateBeforeUs: number;
  readonly claims: readonly DirtyClaim[];
  readonly oldestUs: number | undefined;
}

/**
 * Makes the function that runs once; it remembers between runs how long slices may be. The run takes the time in µs
 * before which readings shall be late, and gives whether more marks may be left than it claimed. It does nothing where
 * another process is refreshing.
 */
export function createRefreshRun(options: RefreshRunOptions) {
  const { database, sliceMaxMs, onSlice, signal } = options;
  const slices = new Map<string, number>();

  async function run(client: Client, nowUs: number, lagUs: number): Promise<boolean> {
    if (!(await lockRefresher(client))) return false;
    try {
      const rollups = await selectMaintainedRollups(client);
      if (rollups.length === 0) return false;
      const finestUs = Math.min(...rollups.map(({ bucketUs }) => bucketUs));
      const claimed = await claim(client, horizonOf(nowUs, lagUs, finestUs));
      for (const rollup of rollups) {
        await refresh(client, rollup, claimed);
        if (signal.aborted) return false;
      }
      const ids = claimed.claims.map(({ id }) => id);
      if (ids.length > 0) await deleteDirtyRanges(client, ids);
      return ids.length === CLAIMS_MAX;
    } finally {
      // A connection that broke has let go of the lock, and the failure that broke it is the one to tell.
      await unlockRefresher(client).catch(() => undefined);
    }
  }

  async function refresh(client: Client, rollup: MaintainedRollup, claimed: Claimed) {
    const plan = planRollup({ rollup, ...claimed });
    let stale = takeNewest(plan.stale, sliceOf(rollup));
    while (stale !== undefined && !signal.aborted) {
      await refreshSlice(client, rollup, stale.slice);
      stale = takeNewest(stale.rest, sliceOf(rollup));
    }
    if (signal.aborted) return;
    const ids = claimed.claims.filter((c) => c.refreshed < rollup.ordinal).map(({ id }) => id);
    if (ids.length > 0) await markRefreshed(client, ids, rollup.ordinal);

    let fresh = plan.fresh;
    while (fresh !== undefined && !signal.aborted) {
      const { slice, rest } = takeOldest(fresh, sliceOf(rollup));
      await refreshSlice(client, rollup, slice);
      await moveMaterialisedBefore(client, rollup.ordinal, slice.endUs);
      fresh = rest;
    }
    const endUs = rollupEnd(rollup, claimed.lateBeforeUs);
    if (plan.fresh === undefined && endUs > rollup.materialisedBeforeUs) {
      await moveMaterialisedBefore(client, rollup.ordinal, endUs);
    }
  }

  async function refreshSlice(client: Client, rollup: MaintainedRollup, slice: Window) {
    const began = performance.now();
    await refreshRollup(client, rollup.name, slice.startUs, slice.endUs);
    const tookMs = performance.now() - began;
    onSlice(rollup.name, tookMs);
    const next = adaptSlice(sliceOf(rollup), slice, tookMs, sliceMaxMs, rollup.bucketUs);
    slices.set(rollup.name, next);
  }

  function sliceOf(rollup: MaintainedRollup): number {
    return slices.get(rollup.name) ?? rollup.bucketUs * FIRST_SLICE_BUCKETS;
  }

  return (nowUs: number, lagUs: number): Promise<boolean> =>
    withClient(database, (client) => run(client, nowUs, lagUs));
}

/** Moves the horizon and claims marks with no writer between its lateness check and its commit. */
function claim(client: Client, horizonUs: number): Promise<Claimed> {
  return transactOn(client, beginClaiming, async () => ({
    lateBeforeUs: await moveLateHorizon(client, horizonUs),
    claims: await claimDirtyRanges(client, CLAIMS_MAX),
    oldestUs: await selectOldestChunk(client),
  }));
}
