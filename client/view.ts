// A merged view of a tail: of each series the points by time, and the summaries that came instead of points. What came
// later counts, so that corrected points and those that come twice around a resume are as they are in the database.
import type { Frame, FrameBucket, SnapshotFrame, SnapshotSeries } from './frames.ts';

export interface ViewPoint {
  readonly t: number;
  readonly v: number | string;
  /** Quality, 0 where it is good. */
  readonly q: number;
}

export interface View {
  /** Takes the next frame of a tail. */
  take(frame: Frame): void;
  /** Of one series, in the order of time. A snapshot of buckets gives their first, lowest, highest and last points. */
  points(seriesId: number): readonly ViewPoint[];
  /** Of one series, by their start; of the same start in the order in which they came. */
  buckets(seriesId: number): readonly FrameBucket[];
  /** Series that are followed. */
  readonly seriesIds: readonly number[];
  /** Points that frames said were not sent as points. */
  readonly dropped: number;
  /** Times that points were missed since the last snapshot: only a range has them. */
  readonly gaps: number;
}

export interface ViewOptions {
  /** Points, and summaries, of each series; beyond, the oldest go. */
  readonly pointsMax?: number;
}

interface Line {
  points: ViewPoint[];
  buckets: FrameBucket[];
}

const POINTS_MAX = 100_000;

/** Makes a view of nothing. */
export function createView({ pointsMax = POINTS_MAX }: ViewOptions = {}): View {
  const lines = new Map<number, Line>();
  let dropped = 0;
  let gaps = 0;

  function lineOf(seriesId: number): Line {
    const known = lines.get(seriesId);
    if (known !== undefined) return known;
    const line = { points: [], buckets: [] };
    lines.set(seriesId, line);
    return line;
  }

  function begin(ids: ReadonlySet<number>, recovered: boolean | null): void {
    for (const id of lines.keys()) if (!ids.has(id)) lines.delete(id);
    for (const id of ids) lineOf(id);
    if (recovered === false) gaps += 1;
  }

  function takeSnapshot({ range, series }: SnapshotFrame): void {
    gaps = 0;
    for (const line of lines.values()) {
      line.points = line.points.filter(({ t }) => t < range.start || t >= range.end);
      line.buckets = line.buckets.filter(([, t]) => t < range.start || t >= range.end);
    }
    for (const one of series) {
      const line = lineOf(one.id);
      for (const point of pointsOf(one)) putPoint(line.points, point, pointsMax);
    }
  }

  return {
    take(frame) {
      if (frame.type === 'subscribed') {
        begin(new Set(frame.series.map(({ id }) => id)), frame.recovered);
      } else if (frame.type === 'snapshot') {
        takeSnapshot(frame);
      } else if (frame.type === 'data') {
        for (const [id, t, v, q = 0] of frame.points) {
          putPoint(lineOf(id).points, { t, v, q }, pointsMax);
        }
        dropped += frame.dropped;
      } else if (frame.type === 'summary') {
        for (const bucket of frame.buckets) {
          putBucket(lineOf(bucket[0]).buckets, bucket, pointsMax);
        }
        dropped += frame.dropped;
      } else if (frame.type === 'series') {
        for (const { id } of frame.added) lineOf(id);
        for (const id of frame.removed ?? []) lines.delete(id);
      }
    },
    points: (seriesId) => lines.get(seriesId)?.points ?? [],
    buckets: (seriesId) => lines.get(seriesId)?.buckets ?? [],
    get seriesIds() {
      return [...lines.keys()];
    },
    get dropped() {
      return dropped;
    },
    get gaps() {
      return gaps;
    },
  };
}

/** Index of the first whose time is after `t`. */
function indexAfter<T>(list: readonly T[], t: number, timeOf: (one: T) => number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const one = list[middle];
    if (one !== undefined && timeOf(one) <= t) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The oldest go in one piece, now and then: one by one each would move all others. */
function keepWithin(list: unknown[], max: number): void {
  if (list.length > max) list.splice(0, list.length - max + Math.floor(max / 16));
}

function putPoint(points: ViewPoint[], point: ViewPoint, max: number): void {
  const at = indexAfter(points, point.t, ({ t }) => t);
  if (points[at - 1]?.t === point.t) points[at - 1] = point;
  else if (at === points.length) points.push(point);
  else points.splice(at, 0, point);
  keepWithin(points, max);
}

function putBucket(buckets: FrameBucket[], bucket: FrameBucket, max: number): void {
  const at = indexAfter(buckets, bucket[1], ([, t]) => t);
  for (let i = at - 1; buckets[i]?.[1] === bucket[1]; i -= 1) {
    if (bucket.every((cell, column) => cell === buckets[i]?.[column])) return;
  }
  buckets.splice(at, 0, bucket);
  keepWithin(buckets, max);
}

/** The points of a snapshot, by time where they are raw. */
function* pointsOf(series: SnapshotSeries): Generator<ViewPoint> {
  const { t = [], v, q } = series;
  if (v !== undefined) {
    for (const [i, time] of t.entries()) {
      const value = v[i];
      if (value !== undefined && value !== null) yield { t: time, v: value, q: q?.[i] ?? 0 };
    }
    return;
  }
  const { first, t_first, last, t_last, min, t_min, max, t_max } = series;
  const pairs = [
    [t_first, first],
    [t_min, min],
    [t_max, max],
    [t_last, last],
  ] as const;
  for (const i of t.keys()) {
    for (const [times, values] of pairs) {
      const [time, value] = [times?.[i], values?.[i]];
      if (typeof time === 'number' && typeof value === 'number') yield { t: time, v: value, q: 0 };
    }
  }
}
