// Which level serves which stretch of a range. A rollup is right below its horizon and outside the ranges that late
// data made stale; what it cannot serve falls to the next finer one, and at last to the raw points.

import { type Buckets, domainOf, isMadeOf } from './buckets.ts';
import type { RangeSegment } from './range.ts';
import { ceilToStep, floorToStep } from './step.ts';

/** A maintained rollup as a snapshot sees it; a plan is made of those of one family. */
export interface RollupState {
  /** Name of its relation in the schema tailrace. */
  readonly name: string;
  readonly level: string;
  readonly ordinal: number;
  readonly bucketUs: number;
  /** Everything before it is materialised, dirty ranges excepted; -Infinity for nothing. */
  readonly materialisedBeforeUs: number;
  /** What it is made from has been dropped before this; -Infinity, as unless said, where nothing has. */
  readonly refreshableFromUs?: number;
}

/** Half-open; rollups whose ordinal is above `refreshed` may be stale in it. */
export interface DirtyRange {
  readonly startUs: number;
  readonly endUs: number;
  readonly refreshed: number;
}

export interface RangePlan {
  /** The domain: whole buckets. */
  readonly startUs: number;
  readonly endUs: number;
  /** In the order of time, without gaps; neighbours have different levels. */
  readonly segments: readonly RangeSegment[];
  /** The coarsest level used, or `raw`. */
  readonly level: string;
}

export interface PlanInput {
  readonly buckets: Buckets;
  readonly rollups: readonly RollupState[];
  readonly dirty: readonly DirtyRange[];
}

interface Interval {
  readonly startUs: number;
  readonly endUs: number;
}

export const RAW_LEVEL = 'raw';

/**
 * A statement more costs about 0.9 ms embedded, a row about 2.5 µs: two holes with fewer of the finer level's rows
 * than this between them are read as one.
 */
const ROWS_A_STATEMENT = 300;

/** Raw points come at any rate; this guess only decides whether two holes are joined. */
const RAW_INTERVAL_GUESS_US = 1_000_000;

/** Holes that one level may have; beyond it the closest are joined, which the finer levels pay for. */
const HOLES_MAX = 128;

/** Plans a range. The result is frozen: deciding ends here. */
export function planRange(input: PlanInput): RangePlan {
  const { startUs, endUs } = domainOf(input.buckets);
  const levels = usableLevels(input.rollups, input.buckets);

  const dirty = input.dirty.filter((range) => range.startUs < endUs && range.endUs > startUs);
  const segments: RangeSegment[] = [];
  let open: readonly Interval[] = startUs < endUs ? [{ startUs, endUs }] : [];
  for (const [index, rollup] of levels.entries()) {
    const finerUs = levels[index + 1]?.bucketUs ?? RAW_INTERVAL_GUESS_US;
    const holes = joinHoles(staleBuckets(rollup, dirty), finerUs * ROWS_A_STATEMENT);
    const served = open.flatMap((interval) => servedBy(rollup, interval, holes));
    segments.push(...served.map((interval) => ({ level: rollup.level, ...interval })));
    open = subtract(open, served);
  }
  segments.push(...open.map((interval) => ({ level: RAW_LEVEL, ...interval })));
  segments.sort((a, b) => a.startUs - b.startUs);

  const level = levels.find((rollup) => segments.some((part) => part.level === rollup.level));
  return Object.freeze({
    startUs,
    endUs,
    segments: Object.freeze(segments),
    level: level?.level ?? RAW_LEVEL,
  });
}

/** Rollups whose buckets make up whole buckets of those asked for, the coarsest first. */
function usableLevels(rollups: readonly RollupState[], buckets: Buckets): RollupState[] {
  return rollups
    .filter(({ bucketUs }) => isMadeOf(buckets, bucketUs))
    .sort((a, b) => b.bucketUs - a.bucketUs);
}

/** The rollup's buckets that late data may have made stale, in the order of time, not touching one another. */
function staleBuckets(rollup: RollupState, dirty: readonly DirtyRange[]): Interval[] {
  const grid = { stepUs: rollup.bucketUs, originUs: 0 };
  const { refreshableFromUs = Number.NEGATIVE_INFINITY } = rollup;
  const keptFromUs = Number.isFinite(refreshableFromUs)
    ? ceilToStep(refreshableFromUs, grid)
    : refreshableFromUs;
  const stale = dirty
    .filter(({ refreshed }) => refreshed < rollup.ordinal)
    .map((range) => ({
      // What was dropped is in the rollup alone, be it stale.
      startUs: Math.max(floorToStep(range.startUs, grid), keptFromUs),
      endUs: ceilToStep(range.endUs, grid),
    }))
    .filter(({ startUs, endUs }) => startUs < endUs)
    .sort((a, b) => a.startUs - b.startUs);
  return join(stale, 0);
}

/** Joins holes that are not worth a statement of their own, and the closest ones of too many. */
function joinHoles(holes: readonly Interval[], gapUs: number): Interval[] {
  const joined = join(holes, gapUs);
  if (joined.length <= HOLES_MAX) return joined;
  const gaps = joined.slice(1).map(({ startUs }, index) => startUs - joined[index]!.endUs);
  const widest = gaps.map((_, index) => index).sort((a, b) => gaps[b]! - gaps[a]!);
  const kept = new Set(widest.slice(0, HOLES_MAX - 1));
  return joined.reduce<Interval[]>((holes, hole, index) => {
    const previous = holes.at(-1);
    if (previous === undefined || kept.has(index - 1)) holes.push(hole);
    else holes[holes.length - 1] = { startUs: previous.startUs, endUs: hole.endUs };
    return holes;
  }, []);
}

/** Joins intervals, given in the order of their starts, that lie at most `gapUs` apart. */
function join(intervals: readonly Interval[], gapUs: number): Interval[] {
  const joined: Interval[] = [];
  for (const interval of intervals) {
    const previous = joined.at(-1);
    if (previous !== undefined && interval.startUs - previous.endUs <= gapUs) {
      const endUs = Math.max(previous.endUs, interval.endUs);
      joined[joined.length - 1] = { startUs: previous.startUs, endUs };
    } else {
      joined.push(interval);
    }
  }
  return joined;
}

/** The parts of `interval`, in whole buckets of the rollup, that it can serve. */
function servedBy(rollup: RollupState, interval: Interval, holes: readonly Interval[]): Interval[] {
  const grid = { stepUs: rollup.bucketUs, originUs: 0 };
  const limitUs = Math.min(interval.endUs, rollup.materialisedBeforeUs);
  if (limitUs <= interval.startUs) return [];
  const whole = { startUs: ceilToStep(interval.startUs, grid), endUs: floorToStep(limitUs, grid) };
  return whole.startUs < whole.endUs ? subtract([whole], holes) : [];
}

/** `intervals` without `holes`; both in the order of time, neither touching itself. */
function subtract(intervals: readonly Interval[], holes: readonly Interval[]): Interval[] {
  const rest: Interval[] = [];
  let next = 0;
  for (const { startUs, endUs } of intervals) {
    while (next < holes.length && holes[next]!.endUs <= startUs) next += 1;
    let fromUs = startUs;
    for (let index = next; index < holes.length && holes[index]!.startUs < endUs; index += 1) {
      const hole = holes[index]!;
      if (hole.startUs > fromUs) rest.push({ startUs: fromUs, endUs: hole.startUs });
      fromUs = Math.max(fromUs, hole.endUs);
    }
    if (fromUs < endUs) rest.push({ startUs: fromUs, endUs });
  }
  return rest;
}

/**
 * Lays the segments of two plans of one domain over each other: where they differ, the finer level stands. `finer`
 * says of two levels which is the finer one.
 */
export function overlaySegments(
  a: readonly RangeSegment[],
  b: readonly RangeSegment[],
  finer: (a: string, b: string) => string,
): RangeSegment[] {
  const overlaid: RangeSegment[] = [];
  let j = 0;
  for (const part of a) {
    for (let startUs = part.startUs; startUs < part.endUs; ) {
      while (b[j]!.endUs <= startUs) j += 1;
      const endUs = Math.min(part.endUs, b[j]!.endUs);
      const level = finer(part.level, b[j]!.level);
      const previous = overlaid.at(-1);
      if (previous?.level === level) overlaid[overlaid.length - 1] = { ...previous, endUs };
      else overlaid.push({ level, startUs, endUs });
      startUs = endUs;
    }
  }
  return overlaid;
}

/**
 * Whether segments read nothing that has been dropped. `rollups` are those of one family, whose finest is made of readings;
 * each of the others of the next finer one.
 */
export function isComplete(
  segments: readonly RangeSegment[],
  rollups: readonly RollupState[],
): boolean {
  const levels = [...rollups].sort((a, b) => a.bucketUs - b.bucketUs);
  return segments.every(({ level, startUs }) => {
    // What a level is dropped before is where the next coarser one cannot be made from it any more.
    const madeOfIt = levels[levels.findIndex((rollup) => rollup.level === level) + 1];
    return startUs >= (madeOfIt?.refreshableFromUs ?? Number.NEGATIVE_INFINITY);
  });
}
