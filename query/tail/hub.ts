// Brings the feed to the subscriptions of this process: one follower of the feed, whatever the number of clients.
import type { Clock } from '../../lib/clock.ts';
import type { Feed, FeedRecord, Position, ReadingsRecord } from '../../lib/feed/feed.ts';
import type { Log } from '../../lib/log.ts';
import { pause } from '../../lib/pause.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Series } from '../../store/series.ts';
import { type Point, pointAt } from './point.ts';
import type { Subscription } from './subscription.ts';

/** Who has subscriptions: told when one of them has something to send, and of what concerns all. */
export interface Member {
  subscriptions(): readonly Subscription[];
  /** Something may wait in these. */
  ready(subscriptions: readonly Subscription[]): void;
  /** Series that were created; some may match. `missed` are records that came in before they were known. */
  created(series: readonly Series[], missed: Missed): void;
  gap(): void;
}

export interface Missed {
  readonly records: readonly FeedRecord[];
  /** How far the feed had come by then. */
  readonly position: Position;
}

export interface Hub {
  join(member: Member): void;
  leave(member: Member): void;
  /** From the position returned on, `subscription` is given every record. */
  attach(member: Member, subscription: Subscription): Position;
  detach(subscription: Subscription): void;
  /** Gives points of these series, which it has been added, to a subscription from now on. */
  widen(subscription: Subscription, ids: Iterable<number>): void;
  /** Gives points of these series to a subscription no longer. */
  narrow(subscription: Subscription, ids: Iterable<number>): void;
  /** How far the feed has come. */
  position(): Position;
  /** Calls `listener` before each record of points is given to anybody. */
  beforeEach(listener: (nowMs: number) => void): void;
  stop(): void;
}

/** Where more comes than can be read, those who follow begin again. */
const READINGS_MAX = 5;
/** Series that could not be looked up are looked up again so soon. */
const RETRY_MS = 1_000;

interface Attached {
  readonly member: Member;
  readonly subscription: Subscription;
  /** The number of the newest record that had points for it. */
  touchedBy: number;
}

export interface HubOptions {
  readonly feed: Feed;
  readonly catalogue: Pick<Catalogue, 'byId' | 'lookUp'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who is to be given the points of which series: what a record costs grows with those who want some of it. */
function createIndex() {
  const attached = new Map<Subscription, Attached>();
  const bySeries = new Map<number, Set<Attached>>();
  let records = 0;

  function add(entry: Attached, ids: Iterable<number>): void {
    for (const id of ids) {
      const those = bySeries.get(id) ?? new Set();
      bySeries.set(id, those.add(entry));
    }
  }

  function narrow(subscription: Subscription, ids: Iterable<number>): void {
    const entry = attached.get(subscription);
    if (entry === undefined) return;
    for (const id of ids) {
      const those = bySeries.get(id);
      those?.delete(entry);
      if (those?.size === 0) bySeries.delete(id);
    }
  }

  function detach(subscription: Subscription): void {
    narrow(subscription, subscription.seriesIds);
    attached.delete(subscription);
  }

  return {
    detach,
    narrow,
    attach(member: Member, subscription: Subscription): void {
      detach(subscription);
      const entry = { member, subscription, touchedBy: 0 };
      attached.set(subscription, entry);
      add(entry, subscription.seriesIds);
    },
    widen(subscription: Subscription, ids: Iterable<number>): void {
      const entry = attached.get(subscription);
      if (entry !== undefined) add(entry, ids);
    },
    /** Gives the points of a record to those who want them; gives back to whom, by member. */
    spread(
      record: FeedRecord & ReadingsRecord,
      nowMs: number,
    ): ReadonlyMap<Member, readonly Subscription[]> {
      const { seriesIds, position } = record;
      const touched = new Map<Member, Subscription[]>();
      records += 1;
      for (let row = 0; row < seriesIds.length; row += 1) {
        const those = bySeries.get(seriesIds[row] ?? -1);
        if (those === undefined) continue;
        const point: Point = pointAt(record, row);
        for (const entry of those) {
          entry.subscription.push(point, nowMs);
          if (entry.touchedBy === records) continue;
          entry.touchedBy = records;
          const ofMember = touched.get(entry.member);
          if (ofMember === undefined) touched.set(entry.member, [entry.subscription]);
          else ofMember.push(entry.subscription);
        }
      }
      for (const subscriptions of touched.values()) {
        for (const subscription of subscriptions) subscription.reached(position);
      }
      return touched;
    },
  };
}

/** Begins to follow the feed. */
export async function createHub(options: HubOptions): Promise<Hub> {
  const { feed, catalogue, clock, log } = options;
  const members = new Set<Member>();
  const index = createIndex();
  let position: Position | undefined;
  let before: (nowMs: number) => void = () => undefined;
  // Work for the catalogue in the order of the feed; deliveries of points do not wait for it.
  let lookups: Promise<void> = Promise.resolve();
  const stopping = new AbortController();

  function deliver(record: FeedRecord & ReadingsRecord): void {
    const nowMs = clock();
    // Who is attached in there has not been given this record: where it stands is before it.
    before(nowMs);
    position = record.position;
    for (const [member, subscriptions] of index.spread(record, nowMs)) member.ready(subscriptions);
  }

  function announce(series: readonly Series[], missed: Missed): void {
    for (const member of [...members]) member.created(series, missed);
  }

  function isBefore({ epoch, offset }: Position): boolean {
    return position !== undefined && (epoch !== position.epoch || offset < position.offset);
  }

  /** Series of another process: their first points may be here before the catalogue knows them. */
  async function lookUp(ids: readonly number[], since: Position): Promise<void> {
    const series = await catalogue.lookUp(ids);
    const records: FeedRecord[] = [];
    let last = since;
    // What comes while the log answers is not in the answer: read on until nothing is between that and here.
    for (let reading = 1; isBefore(last); reading += 1) {
      const read = await feed.readAfter(last);
      if (!read.recovered || reading > READINGS_MAX) {
        for (const member of [...members]) member.gap();
        return;
      }
      records.push(...read.records);
      last = records.at(-1)?.position ?? last;
    }
    const here = position ?? since;
    const missed = records.filter((record) => record.position.offset <= here.offset);
    announce(series, { records: missed, position: here });
  }

  function seriesCreated(ids: readonly number[], at: Position): void {
    const known = ids.flatMap((id) => catalogue.byId(id) ?? []);
    if (known.length === ids.length) {
      announce(known, { records: [], position: at });
      return;
    }
    lookups = lookups.then(() => lookUpAtLast(ids, at));
  }

  /** A database that was away for a moment hides no series for good. */
  async function lookUpAtLast(ids: readonly number[], at: Position): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await lookUp(ids, at);
        return;
      } catch (cause) {
        log.error({ err: cause }, 'new series cannot be looked up; it is tried again');
        await pause(RETRY_MS, stopping.signal);
      }
    }
  }

  function follow(record: FeedRecord): void {
    if (record.kind === 'readings') {
      deliver(record);
      return;
    }
    position = record.position;
    if (record.kind === 'series') seriesCreated(record.ids, record.position);
    else if (record.kind === 'gap') for (const member of [...members]) member.gap();
    // Of bundles and revocations a tail hears by those who put them in force in this process.
  }

  const unfollow = feed.follow(follow);
  // Only where nothing came meanwhile: the follower's own news is newer.
  const first = await feed.position();

  return {
    join: (member) => void members.add(member),
    leave(member) {
      members.delete(member);
      for (const subscription of member.subscriptions()) index.detach(subscription);
    },
    attach(member, subscription) {
      index.attach(member, subscription);
      return position ?? first;
    },
    detach: index.detach,
    widen: index.widen,
    narrow: index.narrow,
    position: () => position ?? first,
    beforeEach(listener) {
      before = listener;
    },
    stop() {
      stopping.abort();
      unfollow();
    },
  };
}
