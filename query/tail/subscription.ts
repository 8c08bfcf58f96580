// One subscription: which series it wants, what it has still to be sent, and how often it may be sent something.
import type { Clock } from '../../lib/clock.ts';
import type { FeedRecord, Position, ReadingsRecord } from '../../lib/feed/feed.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import type { Batch } from './waiting.ts';

/** Records that wait while a subscription is being set up; beyond, its client is too slow to be followed. */
const HELD_MAX = 10_000;

export interface Subscription {
  readonly id: string;
  readonly seriesIds: ReadonlySet<number>;
  add(ids: Iterable<number>): void;
  /** Forgets these series and all that waits of them. */
  remove(ids: Iterable<number>): void;
  /** Takes the rows of a record that are this subscription's; keeps the record while it is held. */
  record(record: FeedRecord & ReadingsRecord, nowMs: number): void;
  /** Takes the rows of these series from records that went by before they were known. */
  catchUp(records: readonly FeedRecord[], ids: ReadonlySet<number>, position: Position): void;
  /** Begins to keep records back: until `release` nothing is taken from here. */
  hold(from: Position): void;
  /** Lets go: `before` are records older than those kept back. */
  release(before: readonly FeedRecord[]): void;
  /** The next frame that may be sent at `nowMs`; undefined where nothing waits, or not yet. */
  take(nowMs: number): Batch | undefined;
  /** When `take` may give something, in ms since 1970; undefined where nothing waits. */
  dueMs(): number | undefined;
  /** Makes what waits smaller; false where that is not possible. */
  conflate(): boolean;
  /** Up to here its client has everything; undefined where nothing waits, so that this is the feed's newest position. */
  readonly behind: Position | undefined;
  /** Since when something waits, in ms since 1970. */
  readonly sinceMs: number | undefined;
  /** True where more waits than can be kept. */
  readonly overflowed: boolean;
  readonly bytes: number;
  /** Whether it is sent frames only so often. */
  readonly isPaced: boolean;
}

export interface SubscriptionOptions {
  readonly id: string;
  readonly seriesIds: Iterable<number>;
  readonly position: Position;
  /** Most frames a second; undefined for no limit. */
  readonly maxHz: number | undefined;
  /** Points older than this are left out (late data under a look-back); undefined for no limit. */
  readonly lookbackMs?: number | undefined;
  readonly clock: Clock;
}

function isReadings(record: FeedRecord): record is FeedRecord & ReadingsRecord {
  return record.kind === 'readings';
}

/** Makes a subscription, held until it is released. */
export function createSubscription(options: SubscriptionOptions): Subscription {
  const { id, maxHz, lookbackMs = Number.POSITIVE_INFINITY, clock } = options;
  const seriesIds = new Set(options.seriesIds);
  const intervalMs = maxHz === undefined ? 0 : 1_000 / maxHz;
  const latestOnly = maxHz !== undefined;
  let outbox: Outbox = createOutbox({ latestOnly, start: options.position });
  let held: (FeedRecord & ReadingsRecord)[] | undefined = [];
  let waiting = false;
  let sinceMs: number | undefined;
  let sentMs = Number.NEGATIVE_INFINITY;
  let sentTo = options.position;

  function take(
    record: FeedRecord & ReadingsRecord,
    wanted: ReadonlySet<number> = seriesIds,
    position = record.position,
  ): void {
    const { seriesIds: ids, timesUs, values, qualities } = record;
    const earliestUs = (clock() - lookbackMs) * 1_000;
    let any = false;
    for (let i = 0; i < ids.length; i += 1) {
      const seriesId = ids[i] ?? -1;
      const timeUs = timesUs[i] ?? 0;
      if (!wanted.has(seriesId) || timeUs < earliestUs) continue;
      outbox.push(seriesId, timeUs, values[i] ?? 0, qualities[i] ?? 0);
      any = true;
    }
    if (any) outbox.reached(position);
    waiting ||= any;
  }

  return {
    id,
    seriesIds,
    add(ids) {
      for (const seriesId of ids) seriesIds.add(seriesId);
    },
    remove(ids) {
      for (const seriesId of ids) seriesIds.delete(seriesId);
      outbox.keepOnly(seriesIds);
    },
    record(record, nowMs) {
      sinceMs ??= nowMs;
      if (held === undefined) take(record);
      else if (held.length < HELD_MAX) held.push(record);
    },
    catchUp(records, ids, position) {
      for (const record of records) if (isReadings(record)) take(record, ids, position);
    },
    hold(from) {
      held = [];
      outbox = createOutbox({ latestOnly, start: from });
      sentTo = from;
      waiting = false;
    },
    release(before) {
      const kept = held ?? [];
      held = undefined;
      for (const record of before) if (isReadings(record)) take(record);
      for (const record of kept) take(record);
    },
    take(nowMs) {
      if (held !== undefined || !waiting || nowMs < sentMs + intervalMs) return undefined;
      const batch = outbox.take();
      if (batch === undefined) {
        waiting = false;
        sinceMs = undefined;
      } else {
        sentMs = nowMs;
        sentTo = batch.position;
      }
      return batch;
    },
    isPaced: latestOnly,
    dueMs: () => (held !== undefined || !waiting ? undefined : sentMs + intervalMs),
    conflate: () => outbox.conflate(),
    get behind() {
      return held !== undefined || waiting ? sentTo : undefined;
    },
    get sinceMs() {
      return sinceMs;
    },
    get overflowed() {
      return held !== undefined && held.length >= HELD_MAX;
    },
    get bytes() {
      return outbox.bytes;
    },
  };
}
