// What the refresher decides: how far readings count as on time, which windows of a rollup are stale, and how they are
// cut into slices that keep no one waiting. Pure; times are µs since 1970 UTC, ranges half-open.
import type { DirtyClaim } from '../sql/statements/claimDirtyRanges.ts';
import type { MaintainedRollup } from '../sql/statements/selectMaintainedRollups.ts';

export interface Window {
  readonly startUs: number;
  readonly endUs: number;
}

export interface RollupPlan {
  /** Stale windows of what is materialised, the newest first. */
  readonly stale: readonly Window[];
  /** What is to be materialised for the first time, oldest first; undefined where there is nothing. */
  readonly fresh: Window | undefined;
}

export interface RollupPlanInput {
  readonly rollup: MaintainedRollup;
  readonly claims: readonly DirtyClaim[];
  /** Readings before it are late and were claimed, or will be. */
  readonly lateBeforeUs: number;
  /** There is no reading before it; undefined where there is none at all. */
  readonly oldestUs: number | undefined;
}

/** Where the horizon is to stand: behind the present by the lag, at a whole bucket of the finest rollup. */
export function horizonOf(nowUs: number, lagUs: number, bucketUs: number): number {
  return floorTo(nowUs - lagUs, bucketUs);
}

/** Up to where a rollup can be materialised: its whole buckets below the horizon. */
export function rollupEnd(rollup: MaintainedRollup, lateBeforeUs: number): number {
  return Math.max(rollup.materialisedBeforeUs, floorTo(lateBeforeUs, rollup.bucketUs));
}

/**
 * What of one rollup has to be refreshed. A range that is dirty beyond what is materialised needs no window of its
 * own: it lies in the fresh one, or is not this rollup's yet.
 */
export function planRollup({
  rollup,
  claims,
  lateBeforeUs,
  oldestUs,
}: RollupPlanInput): RollupPlan {
  const { bucketUs, ordinal, materialisedBeforeUs } = rollup;
  const floorUs = ceilTo(rollup.refreshableFromUs, bucketUs);
  const stale = claims
    .filter(({ refreshed }) => refreshed < ordinal)
    .map(({ startUs, endUs }) => ({
      startUs: Math.max(floorTo(startUs, bucketUs), floorUs),
      endUs: Math.min(ceilTo(endUs, bucketUs), materialisedBeforeUs),
    }));
  const startUs = Math.max(
    materialisedBeforeUs,
    floorUs,
    oldestUs === undefined ? Number.POSITIVE_INFINITY : floorTo(oldestUs, bucketUs),
  );
  const endUs = rollupEnd(rollup, lateBeforeUs);
  return { stale: unite(stale), fresh: startUs < endUs ? { startUs, endUs } : undefined };
}

/** Joins windows that overlap or touch, and leaves out empty ones; the newest first. */
export function unite(windows: readonly Window[]): Window[] {
  const united: Window[] = [];
  const sorted = windows
    .filter(({ startUs, endUs }) => startUs < endUs)
    .sort((a, b) => b.endUs - a.endUs);
  for (const { startUs, endUs } of sorted) {
    const last = united.at(-1);
    if (last === undefined || endUs < last.startUs) united.push({ startUs, endUs });
    else if (startUs < last.startUs) united[united.length - 1] = { ...last, startUs };
  }
  return united;
}

/** The newest slice of at most `sliceUs`, and what is left. Windows within one slice are refreshed by one call. */
export function takeNewest(windows: readonly Window[], sliceUs: number) {
  const first = windows[0];
  if (first === undefined) return undefined;
  const limitUs = first.endUs - sliceUs;
  let startUs = first.endUs;
  let taken = 0;
  const rest: Window[] = [];
  for (const window of windows) {
    if (window.endUs <= limitUs) break;
    taken++;
    startUs = Math.max(window.startUs, limitUs);
    if (window.startUs < limitUs) rest.push({ startUs: window.startUs, endUs: limitUs });
  }
  rest.push(...windows.slice(taken));
  return { slice: { startUs, endUs: first.endUs }, rest };
}

/** The oldest slice of at most `sliceUs`, and what is left of the window. */
export function takeOldest({ startUs, endUs }: Window, sliceUs: number) {
  const cutUs = Math.min(endUs, startUs + sliceUs);
  return {
    slice: { startUs, endUs: cutUs },
    rest: cutUs < endUs ? { startUs: cutUs, endUs } : undefined,
  };
}

/** A slice grows no further than so many buckets: what it cost in a sparse stretch says little of a dense one. */
const SLICE_BUCKETS_MAX = 1024;

/** The next slice's length, in whole buckets, after `slice` took `tookMs` where `sliceUs` was allowed. */
export function adaptSlice(
  sliceUs: number,
  slice: Window,
  tookMs: number,
  sliceMaxMs: number,
  bucketUs: number,
): number {
  if (tookMs > sliceMaxMs) {
    const shrunkUs = (slice.endUs - slice.startUs) * Math.min(0.5, sliceMaxMs / tookMs);
    return Math.max(bucketUs, floorTo(shrunkUs, bucketUs));
  }
  const isFull = slice.endUs - slice.startUs >= sliceUs;
  if (!isFull || tookMs > sliceMaxMs / 2) return sliceUs;
  return Math.min(sliceUs * 2, SLICE_BUCKETS_MAX * bucketUs);
}

function floorTo(timeUs: number, stepUs: number): number {
  return Math.floor(timeUs / stepUs) * stepUs;
}

function ceilTo(timeUs: number, stepUs: number): number {
  return Math.ceil(timeUs / stepUs) * stepUs;
}
