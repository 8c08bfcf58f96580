// One subscription: which series it wants, what it has still to be sent, and how often it may be sent something.
import type { Clock } from '../../lib/clock.ts';
import type { FeedRecord, Position, ReadingsRecord } from '../../lib/feed/feed.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { type Point, pointAt } from './point.ts';
import type { Batch } from './waiting.ts';

/** Of points that are kept back while a subscription is being set up; beyond, they are conflated. */
const HELD_MAX_BYTES = 4 * 1024 * 1024;
/** Who is behind for longer is sent the shape of what it missed, and no longer the newest of it alone. */
const SHORT_LAG_MS = 2_000;

export interface Subscription {
  readonly id: string;
  readonly seriesIds: ReadonlySet<number>;
  add(ids: Iterable<number>): void;
  /** Forgets these series and all that waits of them. */
  remove(ids: Iterable<number>): void;
  /** Takes a point of one of its series. */
  push(point: Point, nowMs: number): void;
  /** Says that it was given all that a record has for it. */
  reached(position: Position): void;
  /** Takes the rows of these series from records that went by before they were known. */
  catchUp(records: readonly FeedRecord[], ids: ReadonlySet<number>, position: Position): void;
  /** Begins to keep points back, until `release`. */
  hold(from: Position): void;
  /** While points are kept back: what its client has not been given begins here. */
  recoverFrom(from: Position): void;
  /** Takes rows of a record older than what is kept back: these may be sent. */
  recover(record: FeedRecord & ReadingsRecord, startRow: number, endRow: number): void;
  /** Lets what was kept back go, behind what was recovered. */
  release(): void;
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
  /** Memory that what is kept back takes, estimated. */
  readonly heldBytes: number;
  /** True where more came in than can be kept back. */
  readonly overflowed: boolean;
  /** Points that wait, or that what waits stands for. */
  readonly count: number;
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
  /** Of one that is sent none of the points: is told of them instead. */
  readonly onPoint?: ((point: Point, nowMs: number) => void) | undefined;
  readonly clock: Clock;
}

function isReadings(record: FeedRecord): record is FeedRecord & ReadingsRecord {
  return record.kind === 'readings';
}

/** A class, because there are thousands of them, most of which wait for nothing: its functions are there once. */
class LiveSubscription implements Subscription {
  readonly id: string;
  readonly isPaced: boolean;
  readonly #seriesIds: Set<number>;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #lookbackMs: number;
  readonly #onPoint: SubscriptionOptions['onPoint'];
  #outbox: Outbox | undefined;
  /** What came in while it was held, until all before is sent. */
  #held: Outbox | undefined;
  #isHeld = true;
  #overflowed = false;
  #waiting = false;
  #sinceMs: number | undefined;
  #sentMs = Number.NEGATIVE_INFINITY;
  #sentTo: Position;

  constructor(options: SubscriptionOptions) {
    const { id, maxHz, lookbackMs = Number.POSITIVE_INFINITY, clock } = options;
    this.id = id;
    this.isPaced = maxHz !== undefined;
    this.#seriesIds = new Set(options.seriesIds);
    this.#clock = clock;
    this.#intervalMs = maxHz === undefined ? 0 : 1_000 / maxHz;
    this.#lookbackMs = lookbackMs;
    this.#onPoint = options.onPoint;
    this.#sentTo = options.position;
  }

  get seriesIds(): ReadonlySet<number> {
    return this.#seriesIds;
  }

  add(ids: Iterable<number>): void {
    for (const seriesId of ids) this.#seriesIds.add(seriesId);
  }

  remove(ids: Iterable<number>): void {
    for (const seriesId of ids) this.#seriesIds.delete(seriesId);
    for (const those of [this.#outbox, this.#held]) those?.keepOnly(this.#seriesIds);
  }

  push(point: Point, nowMs: number): void {
    if (!this.#takes(point, nowMs)) return;
    if (this.#keepsBack) this.#hold(point);
    else this.#give(point);
  }

  /** Whether what comes in has to wait behind something else. */
  get #keepsBack(): boolean {
    return this.#isHeld || this.#held !== undefined;
  }

  /** Whether a point is to be sent as such. */
  #takes(point: Point, nowMs: number): boolean {
    if (point.t < nowMs - this.#lookbackMs) return false;
    if (this.#onPoint !== undefined) {
      this.#onPoint(point, nowMs);
      return false;
    }
    this.#sinceMs ??= nowMs;
    return true;
  }

  #open(): Outbox {
    return createOutbox({ latestOnly: this.isPaced, start: this.#sentTo });
  }

  #give(point: Point): void {
    this.#outbox ??= this.#open();
    this.#outbox.push(point);
    this.#waiting = true;
  }

  #hold(point: Point): void {
    this.#held ??= this.#open();
    this.#held.push(point);
    if (!this.#isHeld || this.#held.bytes <= HELD_MAX_BYTES) return;
    this.#overflowed = !this.#held.conflate();
  }

  reached(position: Position): void {
    const newest = this.#keepsBack ? this.#held : this.#outbox;
    newest?.reached(position);
  }

  catchUp(records: readonly FeedRecord[], ids: ReadonlySet<number>, position: Position): void {
    const nowMs = this.#clock();
    for (const record of records.filter(isReadings)) {
      const { seriesIds } = record;
      for (let row = 0; row < seriesIds.length; row += 1) {
        if (ids.has(seriesIds[row] ?? -1)) this.push(pointAt(record, row), nowMs);
      }
      this.reached(position);
    }
  }

  hold(from: Position): void {
    this.#outbox = undefined;
    this.#held = undefined;
    this.#isHeld = true;
    this.#overflowed = false;
    this.#sentTo = from;
    this.#waiting = false;
    this.#sinceMs = undefined;
  }

  recoverFrom(from: Position): void {
    this.#sentTo = from;
  }

  recover(record: FeedRecord & ReadingsRecord, startRow: number, endRow: number): void {
    const nowMs = this.#clock();
    const { seriesIds, position } = record;
    for (let row = startRow; row < endRow; row += 1) {
      if (!this.#seriesIds.has(seriesIds[row] ?? -1)) continue;
      const point = pointAt(record, row);
      if (this.#takes(point, nowMs)) this.#give(point);
    }
    if (endRow === seriesIds.length) this.#outbox?.reached(position);
  }

  release(): void {
    this.#isHeld = false;
    this.#goOn();
  }

  /** Where all is sent, what came in behind is next. */
  #goOn(): void {
    // An empty outbox stays where nothing is held: making one for each frame takes longer than the frame does.
    if (this.#held !== undefined && !this.#isHeld && (this.#outbox?.bytes ?? 0) === 0) {
      this.#outbox = this.#held;
      this.#held = undefined;
    }
    this.#waiting = (this.#outbox?.bytes ?? 0) > 0;
    if (this.#waiting) this.#sinceMs ??= this.#clock();
    else if (!this.#isHeld) this.#sinceMs = undefined;
  }

  take(nowMs: number): Batch | undefined {
    const dueMs = this.dueMs();
    if (dueMs === undefined || (nowMs < dueMs && nowMs >= this.#sentMs)) return undefined;
    const lag = nowMs - (this.#sinceMs ?? nowMs) < SHORT_LAG_MS ? 'short' : 'long';
    const batch = this.#outbox?.take(lag);
    if (batch !== undefined) {
      this.#sentMs = nowMs;
      this.#sentTo = batch.position;
    }
    if (this.#outbox?.bytes === 0) this.#goOn();
    return batch;
  }

  dueMs(): number | undefined {
    if (!this.#waiting) return undefined;
    // A clock that was set back would hold everything until it is where it was.
    return this.#intervalMs === 0 ? Number.NEGATIVE_INFINITY : this.#sentMs + this.#intervalMs;
  }

  conflate(): boolean {
    // What is held is not counted by whoever asks for less.
    const those = [this.#outbox, this.#isHeld ? undefined : this.#held];
    const largestFirst = those.toSorted((a, b) => (b?.bytes ?? 0) - (a?.bytes ?? 0));
    return largestFirst.some((one) => one?.conflate());
  }

  get behind(): Position | undefined {
    return this.#isHeld || this.#waiting ? this.#sentTo : undefined;
  }

  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  get heldBytes(): number {
    return this.#held?.bytes ?? 0;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  get count(): number {
    return (this.#held?.count ?? 0) + (this.#outbox?.count ?? 0);
  }

  get bytes(): number {
    return (this.#outbox?.bytes ?? 0) + (this.#isHeld ? 0 : this.heldBytes);
  }
}

/** Makes a subscription, held until it is released. */
export function createSubscription(options: SubscriptionOptions): Subscription {
  return new LiveSubscription(options);
}
