// One run of the refresher: under the late horizon's lock, move the horizon and claim what is dirty; then make what is
// new, rollup by rollup; then what late readings made stale, the newest first, for as long as the run may take. The
// present does not wait for a backfill: what is left is the next run's, which begins with what is new by then. Where a
// run breaks off, the next one claims what is left: all of its state stands in the database.
import { pause } from '../lib/pause.ts';
import { beginClaiming } from '../sql/statements/beginClaiming.ts';
import { claimDirtyRanges, type DirtyClaim } from '../sql/statements/claimDirtyRanges.ts';
import { lockRefresher, unlockRefresher } from '../sql/statements/lockRefresher.ts';
import { mergeRollup, type RollupSlice } from '../sql/statements/mergeRollup.ts';
import { moveLateHorizon } from '../sql/statements/moveLateHorizon.ts';
import { moveMaterialisedBefore } from '../sql/statements/moveMaterialisedBefore.ts';
import {
  type MaintainedRollup,
  selectMaintainedRollups,
} from '../sql/statements/selectMaintainedRollups.ts';
import { selectOldestChunk } from '../sql/statements/selectOldestChunk.ts';
import { selectRolledUpSeries } from '../sql/statements/selectRolledUpSeries.ts';
import { settleDirtyRanges } from '../sql/statements/settleDirtyRanges.ts';
import { type Client, transactOn, type Writable, withClient } from '../sql/transaction.ts';
import { boundDirtyRanges } from './bound-dirty-ranges.ts';
import {
  adaptSlice,
  gatherPatches,
  horizonOf,
  planFresh,
  rollupEnd,
  type StalePatch,
  seriesOf,
  sizeOf,
  staleWindow,
  takeNewest,
  takeOldest,
  takeSlice,
} from './refresh-plan.ts';

/** Marks claimed at once: the claim holds writers up, 20 ms for so many. */
const CLAIMS_MAX = 5000;
/** What a slice may hold before anything was measured, in buckets of series. */
const FIRST_SLICE_BUCKETS = 32;
/** Slices after which what is done is noted, so that a run that breaks off loses little: then new buckets count as
 * materialised, in all series at once, or marks are taken back. */
const PIECE_SLICES = 8;
/** The share of a run that the finest rollup's new buckets may take, and that all new ones may: the rest is for late data. */
const FRESH_SHARE = { finest: 0.6, all: 0.8 };

/**
 * Late data is refreshed in shorter slices, with pauses as long as they: embedded, a range waits for one of them at
 * most, and mostly for none.
 */
const LATE_SLICE_SHARE = 0.4;

/** Why a slice was made: for the first time, or again for late readings. */
export type RefreshCause = 'fresh' | 'late';

export interface RefreshRunOptions {
  readonly database: Writable;
  readonly sliceMaxMs: number;
  /** How long a run works before it gives way to the next; each kind of work gets a step at least. */
  readonly budgetMs: number;
  /** Told of every slice. */
  readonly onSlice: (done: {
    readonly rollup: string;
    readonly cause: RefreshCause;
    readonly rows: number;
    readonly tookMs: number;
  }) => void;
  /** Aborted between slices. */
  readonly signal: AbortSignal;
}

interface Run {
  readonly client: Client;
  /** In the order in which they are made; moved on as they are materialised. */
  readonly rollups: MaintainedRollup[];
  readonly lateBeforeUs: number;
  readonly claims: readonly DirtyClaim[];
  readonly oldestUs: number | undefined;
  readonly startedMs: number;
}

/**
 * Makes the function that runs once; it remembers between runs how large slices may be. The run takes the time in µs
 * before which readings shall be late, and says whether there is more to do. It does nothing where another process is
 * refreshing.
 */
export function createRefreshRun(options: RefreshRunOptions) {
  const { database, budgetMs, signal } = options;
  const { merge, sizeOfSlices } = createSlicedMerge(options);

  async function runOnce(client: Client, nowUs: number, lagUs: number): Promise<boolean> {
    if (!(await lockRefresher(client))) return false;
    try {
      const rollups = await selectMaintainedRollups(client);
      if (rollups.length === 0) return false;
      const startedMs = performance.now();
      const finestUs = Math.min(...rollups.map(({ bucketUs }) => bucketUs));
      const claimed = await claim(client, horizonOf(nowUs, lagUs, finestUs));
      const run: Run = { client, rollups, startedMs, ...claimed };
      const upToDate = await makeFresh(run);
      const clean = await makeStale(run, finestUs);
      return !signal.aborted && !(upToDate && clean && run.claims.length < CLAIMS_MAX);
    } finally {
      // A connection that broke has let go of the lock, and the failure that broke it is the one to tell.
      await unlockRefresher(client).catch(() => undefined);
    }
  }

  /** Brings every rollup up to the horizon, the finest first; says whether all are there. */
  async function makeFresh(run: Run): Promise<boolean> {
    let seriesIds: readonly number[] | undefined;
    let upToDate = true;
    for (const [index, rollup] of run.rollups.entries()) {
      const share = index === 0 ? FRESH_SHARE.finest : FRESH_SHARE.all;
      let left = planFresh({ ...run, rollup });
      while (left !== undefined) {
        seriesIds ??= await selectRolledUpSeries(run.client);
        const size = (PIECE_SLICES * sizeOfSlices(rollup, 'fresh')) / Math.max(1, seriesIds.length);
        const { window, rest } = takeOldest(left, Math.max(1, Math.floor(size)), rollup.bucketUs);
        if (!(await merge(run.client, rollup, { seriesIds, ...window }, 'fresh'))) return false;
        await moveTo(run, index, window.endUs);
        left = rest;
        if (left !== undefined && isOver(run, share)) upToDate = false;
        if (!upToDate) break;
      }
      const endUs = rollupEnd({ ...run, rollup });
      const isEmpty = planFresh({ ...run, rollup: run.rollups[index]! }) === undefined;
      if (isEmpty && endUs > run.rollups[index]!.materialisedBeforeUs) {
        await moveTo(run, index, endUs);
      }
    }
    return upToDate;
  }

  async function moveTo(run: Run, index: number, timeUs: number): Promise<void> {
    const rollup = run.rollups[index]!;
    await moveMaterialisedBefore(run.client, rollup.ordinal, timeUs);
    run.rollups[index] = { ...rollup, materialisedBeforeUs: timeUs };
  }

  /** Refreshes what was claimed, the newest first; says whether all of it is done. */
  async function makeStale(run: Run, finestUs: number): Promise<boolean> {
    const waiting = gatherPatches(run.claims, finestUs);
    for (let at = 0; at < waiting.length; ) {
      const pieceSize = PIECE_SLICES * sizeOfSlices(run.rollups[0]!, 'late');
      const { piece, rest } = takeNewest(waiting[at]!, pieceSize, finestUs);
      if (!(await refreshPiece(run, piece))) return false;
      if (rest === undefined) at++;
      else waiting[at] = rest;
      if (isOver(run, 1)) return at === waiting.length;
    }
    return true;
  }

  async function refreshPiece(run: Run, piece: StalePatch): Promise<boolean> {
    const seriesIds = seriesOf(piece);
    for (const rollup of run.rollups) {
      const window = staleWindow(piece, rollup);
      if (window === undefined) continue;
      if (!(await merge(run.client, rollup, { seriesIds, ...window }, 'late'))) return false;
    }
    const ids = piece.claims.map(({ id }) => id);
    await settleDirtyRanges(run.client, ids, piece.startUs);
    return true;
  }

  function isOver({ startedMs }: Run, share: number): boolean {
    return signal.aborted || performance.now() - startedMs > budgetMs * share;
  }

  return (nowUs: number, lagUs: number): Promise<boolean> =>
    withClient(database, (client) => runOnce(client, nowUs, lagUs));
}

/** The short transaction that no writer overlaps. */
async function claim(client: Client, lateBeforeUs: number) {
  const claimed = await transactOn(client, beginClaiming, async () => {
    const movedUs = await moveLateHorizon(client, lateBeforeUs);
    await boundDirtyRanges(client);
    return { lateBeforeUs: movedUs, claims: await claimDirtyRanges(client, CLAIMS_MAX) };
  });
  return { ...claimed, oldestUs: await selectOldestChunk(client) };
}

/** Merges slice by slice, and remembers of each rollup how large slices may be. */
function createSlicedMerge({ sliceMaxMs, onSlice, signal }: RefreshRunOptions) {
  const sizes = new Map<string, number>();
  const keyOf = ({ name }: MaintainedRollup, cause: RefreshCause) => `${name} ${cause}`;
  const sizeOfSlices = (rollup: MaintainedRollup, cause: RefreshCause) =>
    sizes.get(keyOf(rollup, cause)) ?? FIRST_SLICE_BUCKETS;

  /** False where it was stopped before the end. */
  async function merge(
    client: Client,
    rollup: MaintainedRollup,
    whole: RollupSlice,
    cause: RefreshCause,
  ): Promise<boolean> {
    const { name, bucketUs } = rollup;
    const left: RollupSlice[] = whole.seriesIds.length === 0 ? [] : [whole];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (signal.aborted) return false;
      const sizeMax = sizeOfSlices(rollup, cause);
      const { slice, rest } = takeSlice(next, sizeMax, bucketUs);
      left.push(...rest);
      const began = performance.now();
      const rows = await mergeRollup(client, rollup, slice);
      const tookMs = performance.now() - began;
      onSlice({ rollup: name, cause, rows, tookMs });
      const limitMs = cause === 'late' ? sliceMaxMs * LATE_SLICE_SHARE : sliceMaxMs;
      const size = adaptSlice(sizeMax, sizeOf(slice, bucketUs), tookMs, limitMs);
      sizes.set(keyOf(rollup, cause), size);
      if (cause === 'late') await pause(tookMs, signal);
    }
    return !signal.aborted;
  }

  return { merge, sizeOfSlices };
}
