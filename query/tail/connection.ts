// The state of one tail connection, and how what waits in it gets out.

import { TailraceError } from '../../lib/errors.ts';
import { encodeCursor } from '../../lib/feed/feed.ts';
import { pause } from '../../lib/pause.ts';
import type { Grant } from '../../policies/grant.ts';
import { shownByIds } from '../choice.ts';
import type { Release } from '../limits/counts.ts';
import type { Cohort } from './cohorts.ts';
import {
  batchFrame,
  errorFrame,
  type ServerFrame,
  type SubscribeFrame,
  seriesOfFrame,
} from './frames.ts';
import type { Member } from './hub.ts';
import type { Poll } from './poll.ts';
import type { Reauths } from './reauth.ts';
import type { Rechecked } from './rechecks.ts';
import { isInForce, type Right } from './right.ts';
import type { Subscription } from './subscription.ts';
import type { TailServices } from './tails.ts';
import type { Protocol } from './wire.ts';

export const CLOSE = {
  expired: 4401,
  forbidden: 4403,
  tooSlow: 4408,
  tooMany: 4429,
  restart: 1012,
} as const;

/** All that waits for one connection; beyond, the largest subscription is conflated. */
const WAITING_MAX_BYTES = 1024 * 1024;
/** All that waits in this process, but for what each connection may have at the least. */
const WAITING_ALL_MAX_BYTES = 256 * 1024 * 1024;
/** What each of its series may have waiting, however many connections there are: a bucket or two. */
const WAITING_SERIES_BYTES = 384;
/** With more than this unsent nothing more is sent. */
const UNSENT_MAX_BYTES = 64 * 1024;
/** A connection that takes nothing for so long is given up. */
const STALLED_MAX_MS = 20_000;

/** What carries a connection's frames. */
export interface Transport {
  /** `cursor` is how far the frame brings the client, where it does. */
  send(frame: ServerFrame, cursor?: string): void;
  /** Bytes that wait because the client does not read; Infinity where only that is known. */
  unsentBytes(): number;
  /** Grows whenever the client has taken some of what waits; undefined where that is seen from the unsent bytes. */
  readonly takes?: () => number;
  /** Says bye and closes; `more` is what else the bye says. */
  close(code: number, detail: string, more?: ByeDetails): void;
  /** Counts bytes that it was sent as one of many. */
  charge(bytes: number): void;
  readonly protocol: string;
  readonly origin: string | undefined;
  /** Where many are sent the same at once; undefined where the transport cannot. */
  readonly topics?: Topics;
}

/** What a `bye` says beside code and detail. */
export interface ByeDetails {
  /** Points that waited, and that are not sent any more. */
  readonly dropped?: number;
}

export interface Topics {
  readonly wire: Protocol;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

/** How a subscription begins: anew, from a cursor, or again after records were lost. */
export type Beginning = { readonly since: string } | 'new' | 'lost';

/** A subscription and the frame that asked for it. */
export interface Held {
  readonly frame: SubscribeFrame;
  readonly subscription: Subscription;
  /** Where it is set up from: as was asked for, then where it was suspended. */
  resume: Beginning;
  /** The obligations that it is built around, as text: with others it has to be built again. */
  readonly shape: string;
  /** How long it is waited for its client while it is sent what it missed. */
  readonly patienceMs: number;
  /** The decision that admitted its snapshot. */
  readonly snapshotGrant: Grant | undefined;
  /** Of a subscription that is not live: read from the table now and then. */
  readonly poll: Poll | undefined;
  /**
   * `recovering`: it is sent what it missed. `suspended`: its obligations changed, and it is sent nothing until it is built
   * again.
   */
  stage: 'opening' | 'subscribed' | 'recovering' | 'flowing' | 'suspended';
  /** Counts the times it was set up: an earlier setup that is still busy ends when it sees a later one. */
  setups: number;
  /** With whom it is sent what comes; undefined while it goes its own way. */
  cohort: Cohort | undefined;
  /** Of its set of series, once it was needed. */
  seriesKey: string | undefined;
  /** Series that came or went and that its client has not been told of. */
  news: News | undefined;
}

/** Series that came, and those that went. */
export interface News {
  readonly added: Set<number>;
  readonly removed: Set<number>;
}

/** How it stood when the client had last taken something. */
interface Stall {
  readonly unsent: number;
  readonly takes: number;
  readonly sinceMs: number;
}

export interface Connection {
  readonly transport: Transport;
  readonly services: TailServices;
  readonly held: Map<string, Held>;
  /** What the hub knows of it. */
  readonly member: Member;
  /** What those who call it for its turn to be decided again know of it. */
  readonly rechecked: Rechecked;
  readonly onClosed: () => void;
  readonly right: Right;
  readonly reauths: Reauths;
  isOpen: boolean;
  /** Fires when it is not open any more: what is read for it ends. Undefined until something is. */
  gone: AbortController | undefined;
  /** The token's end has been announced. */
  isWarned: boolean;
  /** An event stream's first frame is its `subscribed`; nothing is announced before. */
  isGreeted: boolean;
  stall: Stall | undefined;
  /**
   * Whom it matters that the client has taken what it was sent: places in flight of snapshots, which are in memory still.
   */
  untaken: Set<Release> | undefined;
  /** When the clock is to be looked at next, ms since 1970. */
  tickAtMs: number;
}

/** Ends a connection from this side. */
export function close(
  connection: Connection,
  code: number,
  detail: string,
  more: ByeDetails = {},
): void {
  if (!connection.isOpen) return;
  connection.transport.close(code, detail, more);
  forget(connection);
}

/** Forgets a connection whose transport is gone. */
export function forget(connection: Connection): void {
  if (!connection.isOpen) return;
  connection.isOpen = false;
  connection.gone?.abort(new TailraceError('client_gone', 'The client went away.'));
  connection.services.rechecks.leave(connection.rechecked);
  for (const one of connection.held.values()) connection.services.cohorts.leave(one);
  connection.services.hub.leave(connection.member);
  connection.held.clear();
  leaveTaken(connection);
  connection.onClosed();
}

/** Sends an error frame; what is our own fault goes to the log as well. */
export function fail(connection: Connection, thrown: unknown, id: string | undefined): void {
  if (!connection.isOpen) return;
  const { log } = connection.services;
  if (!(thrown instanceof TailraceError)) log.error({ err: thrown }, 'a tail failed');
  connection.transport.send(errorFrame(thrown, id));
}

/** Fires when a connection is not open any more. */
export function goneSignal(connection: Connection): AbortSignal {
  connection.gone ??= new AbortController();
  return connection.gone.signal;
}

/** What is to be told of a subscription's series. */
export function newsOf(one: Held): News {
  one.news ??= { added: new Set(), removed: new Set() };
  return one.news;
}

/** True while the client takes what it is sent. */
export function isFlowing({ isOpen, transport }: Connection): boolean {
  return isOpen && transport.unsentBytes() < UNSENT_MAX_BYTES;
}

/** Gives a place in flight back, once the client has taken what was sent. */
export function leaveOnceTaken(connection: Connection, leave: Release): void {
  connection.untaken ??= new Set();
  connection.untaken.add(leave);
  leaveTaken(connection);
}

/** Waits until the client has taken what it was sent, or is gone, for so long at most. */
export async function untilTaken(connection: Connection, maxMs: number): Promise<void> {
  const taken = new AbortController();
  leaveOnceTaken(connection, () => taken.abort());
  await pause(maxMs, taken.signal);
}

/** Gives places in flight back where the client has taken what was sent, or is gone. */
export function leaveTaken(connection: Connection): void {
  const { untaken, isOpen } = connection;
  if (untaken === undefined || (isOpen && !isFlowing(connection))) return;
  connection.untaken = undefined;
  for (const leave of untaken) leave();
}

/** Says which series came and went, each as it may be shown now. */
function tellNews({ transport, services, right }: Connection, one: Held): void {
  if (one.news === undefined) return;
  const { added, removed } = one.news;
  one.news = undefined;
  if (added.size === 0 && removed.size === 0) return;
  const shown = shownByIds(added, right.grant, services.catalogue).map(seriesOfFrame);
  const gone = removed.size === 0 ? {} : { removed: [...removed] };
  transport.send({ type: 'series', id: one.frame.id, added: shown, ...gone });
}

function flush(connection: Connection, one: Held, nowMs: number): void {
  const { frame, subscription, stage } = one;
  if (stage !== 'flowing' && stage !== 'recovering') return;
  tellNews(connection, one);
  const { counters } = connection.services;
  const { sinceMs = nowMs } = subscription;
  while (isFlowing(connection)) {
    const batch = subscription.take(nowMs);
    if (batch === undefined) {
      // What its pace holds back is the clock's to send.
      if (subscription.dueMs() !== undefined) connection.tickAtMs = nowMs;
      connection.services.cohorts.consider(connection, one);
      return;
    }
    connection.transport.send(batchFrame(frame.id, batch), encodeCursor(batch.position));
    counters.lagSeconds.observe((nowMs - sinceMs) / 1_000);
    counters.delivered.inc(batch.kind === 'data' ? batch.points.length : 0);
    counters.dropped.inc(batch.dropped);
  }
}

/**
 * Sends what may be sent, and makes what has to wait small enough to wait. While a connection waits to be decided again
 * all of it has to wait.
 */
function flushEach(connection: Connection, those: Iterable<Held>): void {
  const nowMs = connection.services.clock();
  if (isInForce(connection, nowMs)) for (const one of those) flush(connection, one, nowMs);
  for (const one of those) {
    if (one.subscription.behind === undefined) continue;
    keepWithin(connection);
    return;
  }
}

/** Sends what may be sent of all subscriptions. */
export function flushAll(connection: Connection): void {
  flushEach(connection, [...connection.held.values()]);
}

/** Sends what may be sent of these subscriptions. */
export function flushThese(connection: Connection, those: readonly Subscription[]): void {
  flushEach(
    connection,
    those.flatMap((subscription) => connection.held.get(subscription.id) ?? []),
  );
}

/** Sends what has become due since; cheap where nothing has. */
export function flushDue(connection: Connection, nowMs: number): void {
  for (const { subscription } of connection.held.values()) {
    const dueMs = subscription.dueMs();
    if (dueMs === undefined || dueMs > nowMs) continue;
    flushAll(connection);
    return;
  }
}

/** What may wait for a connection: its share of all, and so much that it need not be closed for its many series. */
function waitingMaxOf({ held, services }: Connection): number {
  const share = Math.min(WAITING_MAX_BYTES, WAITING_ALL_MAX_BYTES / services.connections());
  let series = 0;
  for (const { subscription } of held.values()) series += subscription.seriesIds.size;
  return Math.max(share, series * WAITING_SERIES_BYTES);
}

/** What waits for the client: what only its pace holds back is the newest of each series, however fast it reads. */
function waitingBytes(subscription: Subscription, nowMs: number): number {
  const dueMs = subscription.dueMs() ?? nowMs;
  return subscription.isPaced && dueMs > nowMs ? 0 : subscription.bytes;
}

/** Conflates the largest subscriptions until what waits is within bounds; closes where that does not help. */
function keepWithin(connection: Connection): void {
  const nowMs = connection.services.clock();
  let total = 0;
  for (const { subscription } of connection.held.values()) {
    if (subscription.overflowed) {
      closeTooSlow(connection, 'more points came in than could be held while it was set up');
      return;
    }
    total += waitingBytes(subscription, nowMs);
  }
  const max = waitingMaxOf(connection);
  if (total > max) conflateLargest(connection, max);
}

function conflateLargest(connection: Connection, max: number): void {
  const subscriptions = Array.from(connection.held.values(), (one) => one.subscription);
  const nowMs = connection.services.clock();
  const total = () => subscriptions.reduce((sum, one) => sum + waitingBytes(one, nowMs), 0);
  while (connection.isOpen && total() > max) {
    const largestFirst = subscriptions.toSorted((a, b) => b.bytes - a.bytes);
    if (!largestFirst.some((subscription) => subscription.conflate())) {
      closeTooSlow(connection, 'the connection does not even take summaries');
    }
  }
}

/** Ends a connection that takes too little, and says of how many points it was sent nothing. */
export function closeTooSlow(connection: Connection, detail: string): void {
  if (!connection.isOpen) return;
  let dropped = 0;
  for (const { subscription } of connection.held.values()) dropped += subscription.count;
  connection.services.counters.dropped.inc(dropped);
  close(connection, CLOSE.tooSlow, `${detail}; ${dropped} points were not sent`, { dropped });
}

/** True where the connection has taken nothing for too long. */
export function isStalled(connection: Connection, nowMs: number): boolean {
  const { stall, transport } = connection;
  const unsent = transport.unsentBytes();
  const takes = transport.takes?.() ?? 0;
  if (unsent < UNSENT_MAX_BYTES) connection.stall = undefined;
  else if (stall === undefined || unsent < stall.unsent || takes > stall.takes) {
    connection.stall = { unsent, takes, sinceMs: nowMs };
  }
  const since = connection.stall?.sinceMs ?? nowMs;
  return nowMs - since > STALLED_MAX_MS;
}
