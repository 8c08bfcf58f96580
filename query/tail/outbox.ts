// What a subscription has still to be sent. It starts as points; where it cannot keep up it becomes buckets, of a
// second first and then ever wider, so that a slow reader gets the shape of what it missed and the memory stays bounded.
import type { Position } from '../../lib/feed/feed.ts';
import { type Batch, createBuckets, createNewest, createPoints, type Point } from './waiting.ts';

export interface Outbox {
  push(seriesId: number, timeUs: number, value: number | string, quality: number): void;
  /** Says that everything of the feed up to here has been pushed. */
  reached(position: Position): void;
  /** The next frame, or undefined where nothing waits. A frame ends where a record of the feed ends. */
  take(): Batch | undefined;
  /** Makes what waits smaller; false where that is no longer possible. */
  conflate(): boolean;
  /** Forgets all that waits of other series, down to how much of it was left out. */
  keepOnly(seriesIds: ReadonlySet<number>): void;
  /** Memory that what waits takes, estimated. */
  readonly bytes: number;
}

export interface OutboxOptions {
  /** Only the newest point of each series waits; what it replaces counts as dropped. */
  readonly latestOnly: boolean;
  readonly start: Position;
}

/** Makes an empty outbox. */
export function createOutbox({ latestOnly, start }: OutboxOptions): Outbox {
  let position = start;
  const points = createPoints();
  const newest = createNewest();
  let buckets: ReturnType<typeof createBuckets> | undefined;

  return {
    push(seriesId, timeUs, value, quality) {
      const t = timeUs / 1_000;
      if (buckets !== undefined) {
        buckets.add(seriesId, t, value);
        return;
      }
      const point: Point = quality === 0 ? [seriesId, t, value] : [seriesId, t, value, quality];
      if (latestOnly) newest.push(point);
      else points.push(point);
    },
    reached(reachedPosition) {
      position = reachedPosition;
      points.reached(position);
    },
    take() {
      if (buckets === undefined) return latestOnly ? newest.take(position) : points.take();
      const batch = buckets.batch(position);
      buckets = undefined;
      return batch;
    },
    conflate() {
      if (buckets !== undefined) return buckets.widen();
      // What waits is one point a series already.
      if (latestOnly || points.bytes === 0) return false;
      buckets = createBuckets();
      for (const [seriesId, t, value] of points.drain()) buckets.add(seriesId, t, value);
      return true;
    },
    keepOnly(seriesIds) {
      for (const those of [points, newest, buckets]) those?.keepOnly(seriesIds);
      // A summary of nothing is none.
      if (buckets?.size === 0) buckets = undefined;
    },
    get bytes() {
      return points.bytes + newest.bytes + (buckets?.bytes ?? 0);
    },
  };
}
