// What the refresher decides: how far readings count as on time, what of a rollup is to be made for the first time, what
// late readings made stale, and how both are cut into slices that keep no one waiting. Pure; times are µs since 1970 UTC,
// ranges half-open.
import type { DirtyClaim } from '../sql/statements/claimDirtyRanges.ts';
import type { RollupSlice } from '../sql/statements/mergeRollup.ts';
import type { MaintainedRollup } from '../sql/statements/selectMaintainedRollups.ts';

export interface Window {
  readonly startUs: number;
  readonly endUs: number;
}

/** Stale stretches of series that are refreshed together. */
export interface StalePatch extends Window {
  /** Never empty. */
  readonly claims: readonly DirtyClaim[];
}

type Rollup = Pick<
  MaintainedRollup,
  'family' | 'ordinal' | 'bucketUs' | 'materialisedBeforeUs' | 'refreshableFromUs'
>;

export interface FreshInput {
  readonly rollup: Rollup;
  /** All that are kept up, as far as each is materialised by now. */
  readonly rollups: readonly Rollup[];
  /** Readings before it are late and were claimed, or will be. */
  readonly lateBeforeUs: number;
  /** There is no reading before it; undefined where there is none at all. */
  readonly oldestUs: number | undefined;
}

/** Where the horizon is to stand: behind the present by the lag, at a whole bucket of the finest rollup. */
export function horizonOf(nowUs: number, lagUs: number, bucketUs: number): number {
  return floorTo(nowUs - lagUs, bucketUs);
}

/**
 * Up to where a rollup can be materialised: its whole buckets below the horizon, and below what the finer ones of its
 * family are materialised to.
 */
export function rollupEnd({ rollup, rollups, lateBeforeUs }: FreshInput): number {
  const finer = rollups
    .filter(({ family, ordinal }) => family === rollup.family && ordinal < rollup.ordinal)
    .map(({ materialisedBeforeUs }) => materialisedBeforeUs);
  const endUs = floorTo(Math.min(lateBeforeUs, ...finer), rollup.bucketUs);
  return Math.max(rollup.materialisedBeforeUs, endUs);
}

/** What of one rollup is to be materialised for the first time; undefined where there is nothing. */
export function planFresh(input: FreshInput): Window | undefined {
  const { rollup, oldestUs } = input;
  const { bucketUs } = rollup;
  const startUs = Math.max(
    rollup.materialisedBeforeUs,
    ceilTo(rollup.refreshableFromUs, bucketUs),
    oldestUs === undefined ? Number.POSITIVE_INFINITY : floorTo(oldestUs, bucketUs),
  );
  const endUs = rollupEnd(input);
  return startUs < endUs ? { startUs, endUs } : undefined;
}

/**
 * What of a patch one rollup has to be refreshed in; undefined for nothing. What lies beyond its materialised part needs
 * no refresh: it will be made for the first time.
 */
export function staleWindow(patch: Window, rollup: Rollup): Window | undefined {
  const { bucketUs } = rollup;
  const startUs = Math.max(
    floorTo(patch.startUs, bucketUs),
    ceilTo(rollup.refreshableFromUs, bucketUs),
  );
  const endUs = Math.min(ceilTo(patch.endUs, bucketUs), rollup.materialisedBeforeUs);
  return startUs < endUs ? { startUs, endUs } : undefined;
}

/** So few buckets cost less than the statements that would leave them out. */
const SMALL_PATCH_BUCKETS = 128;
/** A patch may hold so many times what is dirty in it. */
const WASTE_MAX = 2;

/** Gathers marks into patches, the newest first: the channels of a rig that was away are one, not a hundred. */
export function gatherPatches(claims: readonly DirtyClaim[], bucketUs: number): StalePatch[] {
  const patches: StalePatch[] = [];
  let open: DirtyClaim[] = [];
  let ids = new Set<number>();
  let startUs = 0;
  let endUs = 0;
  let dirty = 0;
  const close = () => {
    if (open.length > 0) patches.push({ startUs, endUs, claims: open });
  };
  for (const claim of [...claims].sort(newestFirst)) {
    const own = bucketsOf(claim, bucketUs);
    const joinedUs = Math.min(startUs, claim.startUs);
    const series = ids.size + (ids.has(claim.seriesId) ? 0 : 1);
    const joined = series * bucketsOf({ startUs: joinedUs, endUs }, bucketUs);
    if (open.length > 0 && joined <= Math.max(SMALL_PATCH_BUCKETS, WASTE_MAX * (dirty + own))) {
      open.push(claim);
      startUs = joinedUs;
      dirty += own;
    } else {
      close();
      ({ startUs, endUs } = claim);
      open = [claim];
      ids = new Set();
      dirty = own;
    }
    ids.add(claim.seriesId);
  }
  close();
  return patches;
}

/** The latest end first; of one end the shortest, which long ones are not joined to for nothing. */
function newestFirst(a: DirtyClaim, b: DirtyClaim): number {
  return b.endUs - a.endUs || b.startUs - a.startUs || a.seriesId - b.seriesId;
}

/** The newest part of a patch, of about `bucketsMax` buckets in all its series, and the older rest. */
export function takeNewest(
  patch: StalePatch,
  bucketsMax: number,
  bucketUs: number,
): { readonly piece: StalePatch; readonly rest: StalePatch | undefined } {
  const perSeries = Math.max(1, Math.floor(bucketsMax / seriesOf(patch).length));
  const cutUs = ceilTo(patch.endUs, bucketUs) - perSeries * bucketUs;
  if (cutUs <= patch.startUs) return { piece: patch, rest: undefined };
  return {
    piece: {
      startUs: cutUs,
      endUs: patch.endUs,
      claims: patch.claims.filter(({ endUs }) => endUs > cutUs),
    },
    rest: {
      startUs: patch.startUs,
      endUs: cutUs,
      claims: patch.claims.filter(({ startUs }) => startUs < cutUs),
    },
  };
}

/** The series of a patch, in order. */
export function seriesOf({ claims }: Pick<StalePatch, 'claims'>): number[] {
  return [...new Set(claims.map(({ seriesId }) => seriesId))].sort((a, b) => a - b);
}

/** The oldest part of a window, of at most so many buckets, and the rest of it. */
export function takeOldest({ startUs, endUs }: Window, bucketsMax: number, bucketUs: number) {
  const cutUs = Math.min(endUs, startUs + bucketsMax * bucketUs);
  return {
    window: { startUs, endUs: cutUs },
    rest: cutUs < endUs ? { startUs: cutUs, endUs } : undefined,
  };
}

/** Series of one statement, whose text names each. */
const SLICE_SERIES_MAX = 5000;

/**
 * A slice of at most `bucketsMax` buckets in all its series, and what is left. Whole windows of some series where that
 * is possible: readings of one series lie together, compressed ones a thousand in a row.
 */
export function takeSlice(
  { seriesIds, startUs, endUs }: RollupSlice,
  bucketsMax: number,
  bucketUs: number,
): { readonly slice: RollupSlice; readonly rest: readonly RollupSlice[] } {
  const buckets = Math.ceil((endUs - startUs) / bucketUs);
  const series = Math.min(SLICE_SERIES_MAX, Math.max(1, Math.floor(bucketsMax / buckets)));
  const cutUs = Math.min(endUs, startUs + Math.max(1, bucketsMax) * bucketUs);
  const first = seriesIds.slice(0, series);
  const rest: RollupSlice[] = [];
  if (cutUs < endUs) rest.push({ seriesIds: first, startUs: cutUs, endUs });
  if (series < seriesIds.length) rest.push({ seriesIds: seriesIds.slice(series), startUs, endUs });
  return { slice: { seriesIds: first, startUs, endUs: cutUs }, rest };
}

/** How many buckets of series a slice has. */
export function sizeOf({ seriesIds, ...window }: RollupSlice, bucketUs: number): number {
  return seriesIds.length * bucketsOf(window, bucketUs);
}

/** A slice grows no further: what it cost in a sparse stretch says little of a dense one. */
const SLICE_BUCKETS_MAX = 65_536;

/** How large the next slice may be, in buckets, after one of `size` took `tookMs` where `sizeMax` was allowed. */
export function adaptSlice(
  sizeMax: number,
  size: number,
  tookMs: number,
  sliceMaxMs: number,
): number {
  if (tookMs > sliceMaxMs) {
    return Math.max(1, Math.floor(size * Math.min(0.5, sliceMaxMs / tookMs)));
  }
  const isFull = size >= sizeMax / 2;
  if (!isFull || tookMs > sliceMaxMs / 2) return sizeMax;
  return Math.min(sizeMax * 2, SLICE_BUCKETS_MAX);
}

function bucketsOf({ startUs, endUs }: Window, bucketUs: number): number {
  return (ceilTo(endUs, bucketUs) - floorTo(startUs, bucketUs)) / bucketUs;
}

function floorTo(timeUs: number, stepUs: number): number {
  return Math.floor(timeUs / stepUs) * stepUs;
}

function ceilTo(timeUs: number, stepUs: number): number {
  return Math.ceil(timeUs / stepUs) * stepUs;
}
