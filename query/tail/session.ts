// One tail connection from its opening to its end: frames of the client's, news of the feed's, and the clock.
import type { Claims } from '../../policies/grant.ts';
import { overAtMs } from '../../policies/tokens/verifier.ts';
import type { Series } from '../../store/series.ts';
import { selectCreated } from '../choice.ts';
import type { Limits } from '../limits/limits.ts';
import { addSeries, complete } from './complete.ts';
import {
  type Connection,
  close,
  closeTooSlow,
  fail,
  flushAll,
  flushDue,
  flushThese,
  forget,
  type Held,
  isFlowing,
  isStalled,
  leaveTaken,
  type Transport,
} from './connection.ts';
import { settle } from './decide.ts';
import {
  asksForMore,
  type ClientFrame,
  idOf,
  readClientFrame,
  type SubscribeFrame,
} from './frames.ts';
import type { Member, Missed } from './hub.ts';
import { pollDue } from './poll.ts';
import { createReauths, reauth } from './reauth.ts';
import type { Rechecked } from './rechecks.ts';
import { isDue, isInForce, type Opening, openRight } from './right.ts';
import { subscribe, unsubscribe } from './subscribe.ts';
import type { TailServices } from './tails.ts';

/** A token's end is announced so long before. */
const WARNING_MS = 30_000;
/** So often the clock is looked at for a connection that only follows. */
const UNTIMED_TICK_MS = 1_000;

export interface Session {
  readonly member: Member;
  /** A frame of the client's, already parsed. */
  receive(frame: unknown): Promise<void>;
  /** Answers a frame that could not even be parsed. */
  refuse(thrown: unknown): void;
  /** Throws what cannot be subscribed to. */
  subscribe(frame: SubscribeFrame): Promise<void>;
  /** The transport takes more again. */
  drained(): void;
  /** Looks at the clock: expiry, stalls, paced frames. To be called from `tickAtMs` on, some times a second. */
  tick(nowMs: number): void;
  /** Before that no look at the clock finds anything, ms since 1970. */
  tickAtMs(): number;
  close(code: number, detail: string): void;
  /** The transport is gone. */
  closed(): void;
}

/**
 * Adds new series to the subscriptions whose selectors they match. Where the connection waits to be decided again, they
 * wait with everything else, and what is hidden by then is never sent.
 */
function addCreated(connection: Connection, series: readonly Series[], missed: Missed): void {
  const { right, held } = connection;
  for (const one of held.values()) {
    const { frame, subscription, stage } = one;
    // One that is built again looks for its series itself.
    if (frame.choice.kind !== 'match' || stage === 'suspended') continue;
    const found = selectCreated(frame.choice.selector, right.grant, series);
    const added = found.map(({ id }) => id).filter((id) => !subscription.seriesIds.has(id));
    if (added.length === 0) continue;
    try {
      addSeries(connection, one, added);
      subscription.catchUp(missed.records, new Set(added), missed.position);
    } catch (thrown) {
      fail(connection, thrown, frame.id);
    }
  }
  flushAll(connection);
}

/** Points may have been missed: every subscription begins again in the connection's turn, and says so. */
function beginAgain(connection: Connection): void {
  const { held, services, rechecked } = connection;
  for (const one of held.values()) {
    services.cohorts.leave(one);
    one.resume = 'lost';
    one.stage = 'suspended';
    services.hub.detach(one.subscription);
  }
  // Not at once: all snapshots of all tails together may be more than fits into memory.
  services.rechecks.completeSoon(rechecked);
}

function drained(connection: Connection): void {
  leaveTaken(connection);
  flushAll(connection);
  // What had to wait until what it was sent before was taken.
  const { held, services, rechecked } = connection;
  const isWaiting = Array.from(held.values()).some(({ stage }) => stage === 'suspended');
  if (isWaiting && isFlowing(connection)) services.rechecks.completeSoon(rechecked);
}

/** Reads a frame that the limits of its sender let in. Throws what is wrong with it. */
function readAdmitted(value: unknown, claims: Claims, limits: Limits): ClientFrame {
  limits.admitFrame(claims, asksForMore(value));
  const frame = readClientFrame(value);
  if (frame.type === 'subscribe' && frame.snapshot !== undefined) limits.checkReading(claims);
  return frame;
}

async function receive(connection: Connection, value: unknown): Promise<void> {
  const { right, services } = connection;
  try {
    const frame = readAdmitted(value, right.claims, services.limits);
    if (frame.type === 'subscribe') await subscribe(connection, frame);
    else if (frame.type === 'reauth') await reauth(connection, frame.token);
    else unsubscribe(connection, frame.id);
  } catch (thrown) {
    fail(connection, thrown, idOf(value));
  }
}

/** Announces the end of the token, once for each. */
function warnInTime(connection: Connection, nowMs: number): void {
  const { right, transport, isWarned, isGreeted } = connection;
  const endsMs = right.claims.exp * 1_000;
  if (isWarned || !isGreeted || nowMs < endsMs - WARNING_MS) return;
  connection.isWarned = true;
  const detail =
    transport.protocol === 'sse'
      ? 'The token ends soon: open the stream anew with a new one.'
      : 'The token ends soon: send a new one in a reauth frame.';
  transport.send({ type: 'warning', code: 'token_expiring', detail, expires_at: endsMs });
}

/** When something is to be said or done about the token, ms since 1970. */
function momentsOf({ right: { claims } }: Connection): number[] {
  return [claims.exp * 1_000 - WARNING_MS, overAtMs(claims)];
}

function tick(connection: Connection, nowMs: number): void {
  const { services, rechecked, held } = connection;
  // Most only follow: with thousands of them, looking at each every time is most of the work there is.
  connection.tickAtMs = Array.from(held.values()).some(isTimed)
    ? nowMs
    : Math.min(nowMs + UNTIMED_TICK_MS, ...momentsOf(connection).filter((ms) => ms > nowMs));
  if (isStalled(connection, nowMs)) {
    closeTooSlow(connection, 'the connection takes nothing any more');
    return;
  }
  const isRight = isInForce(connection, nowMs);
  if (!isRight || isDue(connection, nowMs)) services.rechecks.settleSoon(rechecked);
  if (!isRight) {
    // Once it is decided, what has become due meanwhile is not left for a second more.
    connection.tickAtMs = nowMs;
    return;
  }
  warnInTime(connection, nowMs);
  flushDue(connection, nowMs);
  pollDue(connection, nowMs);
}

/** Whether something may have to be sent though nothing comes in. */
function isTimed({ poll, subscription }: Held): boolean {
  return poll !== undefined || subscription.dueMs() !== undefined;
}

function memberOf(connection: () => Connection): Member {
  return {
    subscriptions: () => Array.from(connection().held.values(), (one) => one.subscription),
    ready: (subscriptions) => flushThese(connection(), subscriptions),
    created: (series, missed) => addCreated(connection(), series, missed),
    gap: () => beginAgain(connection()),
  };
}

function recheckedOf(connection: () => Connection, services: TailServices): Rechecked {
  return {
    settle() {
      try {
        if (settle(connection())) flushAll(connection());
      } catch (cause) {
        // Undecided, it is sent nothing; its next turn is the next tick's.
        services.log.error({ err: cause }, 'a tail could not be decided again');
      }
    },
    complete: () => complete(connection()),
  };
}

/** Opens a session whose tail is allowed. `onClosed` is called once, at its end. */
export function openSession(
  transport: Transport,
  opening: Opening,
  services: TailServices,
  onClosed: () => void,
): Session {
  const { clock, hub, rechecks } = services;
  const nowMs = clock();
  // Each property by itself, here and wherever there is one for each of thousands: an object that others are spread into
  // has a shape of its own, which takes more than what is in it.
  const connection: Connection = {
    transport,
    services,
    onClosed,
    right: openRight(opening, nowMs),
    reauths: createReauths(clock),
    held: new Map(),
    member: memberOf(() => connection),
    rechecked: recheckedOf(() => connection, services),
    isOpen: true,
    isWarned: false,
    isGreeted: transport.protocol !== 'sse',
    stall: undefined,
    untaken: undefined,
    gone: undefined,
    tickAtMs: nowMs,
  };
  hub.join(connection.member);
  rechecks.join(connection.rechecked);
  // Rules or revocations may have changed since the decision.
  if (!isInForce(connection, nowMs)) rechecks.settleSoon(connection.rechecked);
  return {
    member: connection.member,
    receive: (value) => receive(connection, value),
    refuse: (thrown) => fail(connection, thrown, undefined),
    subscribe: (frame) => subscribe(connection, frame),
    drained: () => drained(connection),
    tick: (time) => tick(connection, time),
    tickAtMs: () => connection.tickAtMs,
    close: (code, detail) => close(connection, code, detail),
    closed: () => forget(connection),
  };
}
