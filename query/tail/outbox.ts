// What a subscription has still to be sent. It starts as points. Where it cannot keep up, buckets take their place, of a
// second first and then ever wider, so that the memory stays bounded: a client that was held up for a moment is sent the
// newest point of each series from them, one that stays behind the shape of what it missed.
import type { Position } from '../../lib/feed/feed.ts';
import type { Point } from './point.ts';
import { type Batch, createBuckets, createNewest, createPoints } from './waiting.ts';

export interface Outbox {
  push(point: Point): void;
  /** Says that everything of the feed up to here has been pushed. */
  reached(position: Position): void;
  /** The next frame, or undefined where nothing waits. A frame ends where a record of the feed ends. */
  take(lag: Lag): Batch | undefined;
  /** Makes what waits smaller; false where that is no longer possible. */
  conflate(): boolean;
  /** Forgets all that waits of other series, down to how much of it was left out. */
  keepOnly(seriesIds: ReadonlySet<number>): void;
  /** Points that wait, or that what waits stands for. */
  readonly count: number;
  /** Memory that what waits takes, estimated. */
  readonly bytes: number;
}

/** For how long the oldest of what waits has: `short` for up to some seconds. */
export type Lag = 'short' | 'long';

export interface OutboxOptions {
  /** Only the newest point of each series waits; what it replaces counts as dropped. */
  readonly latestOnly: boolean;
  readonly start: Position;
}

/** Makes an empty outbox. */
export function createOutbox({ latestOnly, start }: OutboxOptions): Outbox {
  let position = start;
  const newest = latestOnly ? createNewest() : undefined;
  const points = createPoints();
  let buckets: ReturnType<typeof createBuckets> | undefined;

  return {
    push(point) {
      if (buckets !== undefined) buckets.add(point);
      else (newest ?? points).push(point);
    },
    reached(reachedPosition) {
      position = reachedPosition;
      points.reached(position);
    },
    take(lag) {
      if (buckets === undefined) return (newest ?? points).take(position);
      const batch = lag === 'short' ? buckets.newest(position) : buckets.batch(position);
      buckets = undefined;
      return batch;
    },
    conflate() {
      if (buckets !== undefined) return buckets.widen();
      // What waits is one point a series already.
      if (latestOnly || points.bytes === 0) return false;
      buckets = createBuckets();
      for (const point of points.drain()) buckets.add(point);
      return true;
    },
    keepOnly(seriesIds) {
      for (const those of [points, newest, buckets]) those?.keepOnly(seriesIds);
      // A summary of nothing is none.
      if (buckets?.size === 0) buckets = undefined;
    },
    get count() {
      return (buckets ?? newest ?? points).count;
    },
    get bytes() {
      return (buckets ?? newest ?? points).bytes;
    },
  };
}
