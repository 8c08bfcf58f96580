// What waits for one subscription: points in order, the newest point of each series, or buckets. Each forgets a series
// without a trace, down to how much of it was left out.
import type { Position } from '../../lib/feed/feed.ts';
import { makePoint, type Point } from './point.ts';

/** A text has no extremes: its `min` and `max` are null. `t` is the bucket's start in ms. */
export type Bucket = readonly [
  seriesId: number,
  t: number,
  first: number | string,
  last: number | string,
  min: number | null,
  max: number | null,
  count: number,
];

/** What one frame carries. `position` is how far the subscription has come with it. */
export type Batch =
  | {
      readonly kind: 'data';
      readonly points: readonly Point[];
      readonly position: Position;
      readonly dropped: number;
    }
  | {
      readonly kind: 'summary';
      /** How long each bucket is. */
      readonly stepMs: number;
      readonly buckets: readonly Bucket[];
      readonly position: Position;
      readonly dropped: number;
    };

interface OpenBucket {
  readonly seriesId: number;
  readonly t: number;
  firstT: number;
  first: number | string;
  lastT: number;
  last: number | string;
  lastQuality: number;
  min: number | null;
  max: number | null;
  count: number;
}

/** Where in a row of points a record of the feed ends. */
interface End {
  readonly count: number;
  readonly position: Position;
}

const POINT_BYTES = 96;
const BUCKET_BYTES = 160;
const BUCKET_FIRST_MS = 1_000;
/** A reader that is behind by buckets of an hour has lost the thread. */
const BUCKET_WIDEST_MS = 3_600_000;
/** A frame takes whole records until it has this many points. */
const FRAME_POINTS = 5_000;

function sizeOf({ value }: Point): number {
  return typeof value === 'string' ? POINT_BYTES + 2 * value.length : POINT_BYTES;
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/** Points in the order in which they came, and where the feed's records end between them. */
export function createPoints() {
  let points: Point[] = [];
  let bytes = 0;
  let ends: End[] = [];

  function replace(kept: Point[]): void {
    points = kept;
    bytes = sum(kept.map(sizeOf));
  }

  /** Takes all of them out, whatever records they are of. */
  function drain(): readonly Point[] {
    const drained = points;
    points = [];
    ends = [];
    bytes = 0;
    return drained;
  }

  /** Takes whole records out, until there are enough points for a frame. */
  function takeSome(): Batch | undefined {
    const end = ends.findIndex((mark) => mark.count >= FRAME_POINTS);
    const mark = ends[end] ?? ends.at(-1);
    if (mark === undefined) return undefined;
    const taken = points.slice(0, mark.count);
    replace(points.slice(mark.count));
    ends = ends
      .slice(end < 0 ? ends.length : end + 1)
      .map((rest) => ({ ...rest, count: rest.count - mark.count }));
    return { kind: 'data', points: taken, position: mark.position, dropped: 0 };
  }

  return {
    drain,
    push(point: Point): void {
      points.push(point);
      bytes += sizeOf(point);
    },
    reached(position: Position): void {
      const pending = points.length - (ends.at(-1)?.count ?? 0);
      if (pending > 0) ends.push({ count: points.length, position });
    },
    take(): Batch | undefined {
      if (points.length === 0) return undefined;
      const last = ends.at(-1);
      // Of one record, or of few and small ones, all of it is the frame.
      const isAll = last?.count === points.length;
      if (!isAll || (ends.length > 1 && points.length > FRAME_POINTS)) return takeSome();
      return { kind: 'data', points: drain(), position: last.position, dropped: 0 };
    },
    keepOnly(seriesIds: ReadonlySet<number>): void {
      const kept: Point[] = [];
      let at = 0;
      const keptUpTo = (count: number) => {
        for (const point of points.slice(at, count)) {
          if (seriesIds.has(point.seriesId)) kept.push(point);
        }
        at = count;
        return kept.length;
      };
      ends = ends
        .map((mark) => ({ ...mark, count: keptUpTo(mark.count) }))
        .filter((mark, i, marks) => mark.count > (marks[i - 1]?.count ?? 0));
      keptUpTo(points.length);
      replace(kept);
    },
    get count() {
      return points.length;
    },
    get bytes() {
      return bytes;
    },
  };
}

/** The newest point of each series, and how many others it took the place of. */
export function createNewest() {
  const newest = new Map<number, Point>();
  const replaced = new Map<number, number>();
  let bytes = 0;
  return {
    push(point: Point): void {
      const { seriesId, t } = point;
      const before = newest.get(seriesId);
      if (before !== undefined) replaced.set(seriesId, (replaced.get(seriesId) ?? 0) + 1);
      if (before !== undefined && before.t > t) return;
      newest.set(seriesId, point);
      bytes += sizeOf(point) - (before === undefined ? 0 : sizeOf(before));
    },
    take(position: Position): Batch | undefined {
      if (newest.size === 0) return undefined;
      const points = [...newest.values()];
      const dropped = sum(replaced.values());
      newest.clear();
      replaced.clear();
      bytes = 0;
      return { kind: 'data', points, position, dropped };
    },
    keepOnly(seriesIds: ReadonlySet<number>): void {
      for (const those of [newest, replaced]) {
        for (const id of those.keys()) if (!seriesIds.has(id)) those.delete(id);
      }
      bytes = sum([...newest.values()].map(sizeOf));
    },
    /** Points that wait or were replaced. */
    get count() {
      return newest.size + sum(replaced.values());
    },
    get bytes() {
      return bytes;
    },
  };
}

function addToBucket(open: OpenBucket, { t, value, quality }: Point): void {
  // Of one time the value that came last counts, as everywhere.
  if (t <= open.firstT) [open.firstT, open.first] = [t, value];
  if (t >= open.lastT) [open.lastT, open.last, open.lastQuality] = [t, value, quality];
  if (typeof value === 'number') {
    open.min = open.min === null ? value : Math.min(open.min, value);
    open.max = open.max === null ? value : Math.max(open.max, value);
  }
  open.count += 1;
}

function mergeBucket(open: OpenBucket, other: OpenBucket): void {
  if (other.firstT < open.firstT) [open.firstT, open.first] = [other.firstT, other.first];
  if (other.lastT >= open.lastT) {
    [open.lastT, open.last, open.lastQuality] = [other.lastT, other.last, other.lastQuality];
  }
  if (other.min !== null) open.min = open.min === null ? other.min : Math.min(open.min, other.min);
  if (other.max !== null) open.max = open.max === null ? other.max : Math.max(open.max, other.max);
  open.count += other.count;
}

/** A bucket of one point. */
function bucketOf({ seriesId, t, value, quality }: Point): OpenBucket {
  const extreme = typeof value === 'number' ? value : null;
  return {
    ...{ seriesId, t, firstT: t, first: value, lastT: t, last: value, lastQuality: quality },
    ...{ min: extreme, max: extreme, count: 1 },
  };
}

function sizeOfBucket({ first, last }: OpenBucket): number {
  const texts = [first, last].filter((value) => typeof value === 'string');
  return BUCKET_BYTES + 2 * sum(texts.map(({ length }) => length));
}

/** Buckets by series and start, which can be made wider. */
export function createBuckets() {
  let widthMs = BUCKET_FIRST_MS;
  let bySeries = new Map<number, Map<number, OpenBucket>>();
  let size = 0;
  let bytes = 0;

  /** Changes a bucket that is there. */
  function change(bucket: OpenBucket, work: () => void): void {
    bytes -= sizeOfBucket(bucket);
    work();
    bytes += sizeOfBucket(bucket);
  }

  function put(bucket: OpenBucket): void {
    const { seriesId } = bucket;
    const t = Math.floor(bucket.t / widthMs) * widthMs;
    const ofSeries = bySeries.get(seriesId) ?? new Map<number, OpenBucket>();
    if (ofSeries.size === 0) bySeries.set(seriesId, ofSeries);
    const there = ofSeries.get(t);
    if (there !== undefined) {
      change(there, () => mergeBucket(there, bucket));
      return;
    }
    ofSeries.set(t, { ...bucket, t });
    size += 1;
    bytes += sizeOfBucket(bucket);
  }

  function all(): OpenBucket[] {
    return [...bySeries.values()].flatMap((ofSeries) => [...ofSeries.values()]);
  }

  return {
    add(point: Point): void {
      const start = Math.floor(point.t / widthMs) * widthMs;
      const there = bySeries.get(point.seriesId)?.get(start);
      if (there === undefined) put(bucketOf(point));
      else change(there, () => addToBucket(there, point));
    },
    widen(): boolean {
      if (widthMs >= BUCKET_WIDEST_MS) return false;
      widthMs *= 2;
      const narrow = all();
      bySeries = new Map();
      size = 0;
      bytes = 0;
      for (const bucket of narrow) put(bucket);
      return true;
    },
    keepOnly(seriesIds: ReadonlySet<number>): void {
      for (const id of bySeries.keys()) if (!seriesIds.has(id)) bySeries.delete(id);
      size = all().length;
      bytes = sum(all().map(sizeOfBucket));
    },
    get size() {
      return size;
    },
    /** Points that they stand for. */
    get count() {
      return sum(all().map(({ count }) => count));
    },
    /** All of them; what they count was not sent as points. */
    batch(position: Position): Batch {
      const open = all();
      const buckets = open.map(({ seriesId, t, first, last, min, max, count }): Bucket => {
        return [seriesId, t, first, last, min, max, count];
      });
      const dropped = sum(open.map(({ count }) => count));
      return { kind: 'summary', stepMs: widthMs, buckets, position, dropped };
    },
    /** The newest point of each series; what else they stand for was not sent. */
    newest(position: Position): Batch {
      const points = [...bySeries].map(([seriesId, ofSeries]) => {
        const [first, ...others] = ofSeries.values();
        if (first === undefined) throw new Error(`tail buckets: none of series ${seriesId}`);
        const newest = others.reduce((a, b) => (b.lastT >= a.lastT ? b : a), first);
        return makePoint(seriesId, newest.lastT, newest.last, newest.lastQuality);
      });
      const dropped = sum(all().map(({ count }) => count)) - points.length;
      return { kind: 'data', points, position, dropped };
    },
    get bytes() {
      return bytes;
    },
  };
}
