// What a subscription has still to be sent. It starts as points; where it cannot keep up it becomes buckets, of a
// second first and then ever wider, so that a slow reader gets the shape of what it missed and the memory stays bounded.
import type { Position } from '../../lib/feed/feed.ts';

/** `[seriesId, t in ms, value]`, and the quality where it is not good. */
export type Point =
  | readonly [seriesId: number, t: number, value: number | string]
  | readonly [seriesId: number, t: number, value: number | string, quality: number];

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
  min: number | null;
  max: number | null;
  count: number;
}

export interface Outbox {
  push(seriesId: number, timeUs: number, value: number | string, quality: number): void;
  /** Says that everything of the feed up to here has been pushed. */
  reached(position: Position): void;
  /** The next frame, or undefined where nothing waits. A frame ends where a record of the feed ends. */
  take(): Batch | undefined;
  /** Makes what waits smaller; false where that is no longer possible. */
  conflate(): boolean;
  /** Memory that what waits takes, estimated. */
  readonly bytes: number;
}

const POINT_BYTES = 96;
const BUCKET_BYTES = 160;
const BUCKET_FIRST_MS = 1_000;
/** A reader that is behind by buckets of an hour has lost the thread. */
const BUCKET_WIDEST_MS = 3_600_000;
/** A frame takes whole records until it has this many points. */
const FRAME_POINTS = 5_000;

export interface OutboxOptions {
  /** Only the newest point of each series waits; what it replaces counts as dropped. */
  readonly latestOnly: boolean;
  readonly start: Position;
}

function sizeOf(value: number | string): number {
  return typeof value === 'string' ? POINT_BYTES + 2 * value.length : POINT_BYTES;
}

function addToBucket(open: OpenBucket, t: number, value: number | string): void {
  if (t < open.firstT) [open.firstT, open.first] = [t, value];
  if (t >= open.lastT) [open.lastT, open.last] = [t, value];
  if (typeof value === 'number') {
    open.min = open.min === null ? value : Math.min(open.min, value);
    open.max = open.max === null ? value : Math.max(open.max, value);
  }
  open.count += 1;
}

function mergeBucket(open: OpenBucket, other: OpenBucket): void {
  if (other.firstT < open.firstT) [open.firstT, open.first] = [other.firstT, other.first];
  if (other.lastT >= open.lastT) [open.lastT, open.last] = [other.lastT, other.last];
  if (other.min !== null) open.min = open.min === null ? other.min : Math.min(open.min, other.min);
  if (other.max !== null) open.max = open.max === null ? other.max : Math.max(open.max, other.max);
  open.count += other.count;
}

/** A bucket of one point. */
function bucketOf(seriesId: number, t: number, value: number | string): OpenBucket {
  const extreme = typeof value === 'number' ? value : null;
  const [first, last, min, max] = [value, value, extreme, extreme];
  return { seriesId, t, firstT: t, first, lastT: t, last, min, max, count: 1 };
}

/** Buckets by series and start, which can be made wider. */
function createBuckets() {
  let widthMs = BUCKET_FIRST_MS;
  let bySeries = new Map<number, Map<number, OpenBucket>>();
  let size = 0;

  function put(bucket: OpenBucket): void {
    const { seriesId } = bucket;
    const t = Math.floor(bucket.t / widthMs) * widthMs;
    const ofSeries = bySeries.get(seriesId) ?? new Map<number, OpenBucket>();
    if (ofSeries.size === 0) bySeries.set(seriesId, ofSeries);
    const there = ofSeries.get(t);
    if (there !== undefined) {
      mergeBucket(there, bucket);
      return;
    }
    ofSeries.set(t, { ...bucket, t });
    size += 1;
  }

  function all(): OpenBucket[] {
    return [...bySeries.values()].flatMap((ofSeries) => [...ofSeries.values()]);
  }

  return {
    add(seriesId: number, t: number, value: number | string): void {
      const start = Math.floor(t / widthMs) * widthMs;
      const there = bySeries.get(seriesId)?.get(start);
      if (there === undefined) put(bucketOf(seriesId, t, value));
      else addToBucket(there, t, value);
    },
    widen(): boolean {
      if (widthMs >= BUCKET_WIDEST_MS) return false;
      widthMs *= 2;
      const narrow = all();
      bySeries = new Map();
      size = 0;
      for (const bucket of narrow) put(bucket);
      return true;
    },
    get size() {
      return size;
    },
    list: (): Bucket[] =>
      all().map(({ seriesId, t, first, last, min, max, count }) => [
        seriesId,
        t,
        first,
        last,
        min,
        max,
        count,
      ]),
  };
}

/** Makes an empty outbox. */
export function createOutbox(options: OutboxOptions): Outbox {
  let position = options.start;
  let points: Point[] = [];
  let pointBytes = 0;
  // Where in `points` each record of the feed ends.
  let ends: { readonly count: number; readonly position: Position }[] = [];
  let buckets: ReturnType<typeof createBuckets> | undefined;
  const newest = new Map<number, Point>();
  let dropped = 0;

  function pushNewest(point: Point): void {
    const before = newest.get(point[0]);
    if (before !== undefined) dropped += 1;
    if (before === undefined || before[1] <= point[1]) newest.set(point[0], point);
  }

  function takePoints(): Batch | undefined {
    const end = ends.findIndex((mark) => mark.count >= FRAME_POINTS);
    const mark = ends[end] ?? ends.at(-1);
    if (mark === undefined) return undefined;
    const taken = points.slice(0, mark.count);
    points = points.slice(mark.count);
    ends = ends
      .slice(end < 0 ? ends.length : end + 1)
      .map((rest) => ({ ...rest, count: rest.count - mark.count }));
    pointBytes = points.reduce((sum, point) => sum + sizeOf(point[2]), 0);
    return { kind: 'data', points: taken, position: mark.position, dropped: forgetDropped() };
  }

  function forgetDropped(): number {
    const count = dropped;
    dropped = 0;
    return count;
  }

  return {
    push(seriesId, timeUs, value, quality) {
      const t = timeUs / 1_000;
      if (buckets !== undefined) {
        buckets.add(seriesId, t, value);
        dropped += 1;
        return;
      }
      const point: Point = quality === 0 ? [seriesId, t, value] : [seriesId, t, value, quality];
      if (options.latestOnly) pushNewest(point);
      else {
        points.push(point);
        pointBytes += sizeOf(value);
      }
    },
    reached(reachedPosition) {
      position = reachedPosition;
      const pending = points.length - (ends.at(-1)?.count ?? 0);
      if (pending > 0) ends.push({ count: points.length, position });
    },
    take() {
      if (buckets !== undefined) {
        const list = buckets.list();
        buckets = undefined;
        return { kind: 'summary', buckets: list, position, dropped: forgetDropped() };
      }
      if (!options.latestOnly) return takePoints();
      if (newest.size === 0) return undefined;
      const latest = [...newest.values()];
      newest.clear();
      return { kind: 'data', points: latest, position, dropped: forgetDropped() };
    },
    conflate() {
      if (buckets !== undefined) return buckets.widen();
      // What waits is one point a series already.
      if (options.latestOnly || points.length === 0) return false;
      buckets = createBuckets();
      for (const [seriesId, t, value] of points) buckets.add(seriesId, t, value);
      dropped += points.length;
      points = [];
      ends = [];
      pointBytes = 0;
      return true;
    },
    get bytes() {
      return pointBytes + newest.size * POINT_BYTES + (buckets?.size ?? 0) * BUCKET_BYTES;
    },
  };
}
