// One tail connection from its opening to its end: frames of the client's, news of the feed's, and the clock.
import { TailraceError } from '../../lib/errors.ts';
import { type Claims, seriesFilter } from '../../policies/grant.ts';
import { CLOCK_TOLERANCE_S } from '../../policies/tokens/verifier.ts';
import type { Series } from '../../store/series.ts';
import { selectorFilter } from '../choice.ts';
import {
  askAgain,
  CLOSE,
  type Connection,
  close,
  fail,
  flushAll,
  flushDue,
  forget,
  isStalled,
  type Transport,
} from './connection.ts';
import { idOf, readClientFrame, type SubscribeFrame, seriesOfFrame } from './frames.ts';
import type { Member, Missed } from './hub.ts';
import { pollDue } from './poll.ts';
import { setUp, subscribe, unsubscribe } from './subscribe.ts';
import type { TailServices } from './tails.ts';

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
  /** Looks at the clock: expiry, stalls, paced frames. Called some times a second. */
  tick(nowMs: number): void;
  close(code: number, detail: string): void;
  /** The transport is gone. */
  closed(): void;
}

async function reauth(connection: Connection, token: string): Promise<void> {
  const { authority } = connection.services;
  const { sub, tenant } = connection.claims;
  const renewed = await authority.verify(token);
  if (renewed.sub !== sub || renewed.tenant !== tenant) {
    throw new TailraceError('forbidden', 'The new token has to be of the same subject and tenant.');
  }
  if (!connection.isOpen) return;
  connection.claims = renewed;
  connection.transport.send({ type: 'reauthed', expires_at: renewed.exp * 1_000 });
  decideAgain(connection);
}

/** After anything that may have changed the answer: ends what is allowed no longer. */
function decideAgain(connection: Connection): void {
  const grant = askAgain(connection);
  if (!grant.allow) {
    close(connection, CLOSE.forbidden, grant.reason);
    return;
  }
  const allowed = seriesFilter(grant);
  const now = JSON.stringify(grant.obligations);
  const { catalogue } = connection.services;
  for (const { frame, subscription, obligations } of [...connection.held.values()]) {
    const series = Array.from(subscription.seriesIds, (id) => catalogue.byId(id));
    const isSame = now === obligations && series.every((one) => one !== undefined && allowed(one));
    if (isSame) continue;
    // Narrower now: set up anew, so that nothing of what is hidden still waits.
    unsubscribe(connection, frame.id);
    subscribe(connection, frame).catch((thrown: unknown) => fail(connection, thrown, frame.id));
  }
}

/** Adds new series to the subscriptions whose selectors they match. */
function addCreated(connection: Connection, series: readonly Series[], missed: Missed): void {
  const { services, held, transport } = connection;
  const grant = askAgain(connection);
  const own = series.filter(seriesFilter(grant));
  if (own.length === 0) return;
  for (const { frame, subscription } of held.values()) {
    if (frame.choice.kind !== 'match') continue;
    const matches = selectorFilter(frame.choice.selector, grant);
    const added = own.filter((one) => matches(one) && !subscription.seriesIds.has(one.id));
    if (added.length === 0) continue;
    for (const one of added) subscription.add(one);
    services.hub.widen(subscription, added);
    transport.send({ type: 'series', id: frame.id, added: added.map(seriesOfFrame) });
    const ids = new Set(added.map((one) => one.id));
    subscription.catchUp(missed.records, ids, missed.position);
  }
  flushAll(connection);
}

/** Points may have been missed: every subscription begins again, and says so. */
function beginAgain(connection: Connection): void {
  const { catalogue } = connection.services;
  for (const one of connection.held.values()) {
    // What is read from the table misses nothing of the feed.
    if (one.poll !== undefined) continue;
    const ids = [...one.subscription.seriesIds];
    const series = ids.flatMap((id) => catalogue.byId(id) ?? []);
    setUp(connection, one, series, 'lost').catch((thrown: unknown) =>
      fail(connection, thrown, one.frame.id),
    );
  }
}

async function receive(connection: Connection, value: unknown): Promise<void> {
  try {
    const frame = readClientFrame(value);
    if (frame.type === 'subscribe') await subscribe(connection, frame);
    else if (frame.type === 'reauth') await reauth(connection, frame.token);
    else unsubscribe(connection, frame.id);
  } catch (thrown) {
    fail(connection, thrown, idOf(value));
  }
}

function tick(connection: Connection, nowMs: number): void {
  if (nowMs >= (connection.claims.exp + CLOCK_TOLERANCE_S) * 1_000) {
    close(connection, CLOSE.expired, 'the token is over');
  } else if (isStalled(connection, nowMs)) {
    close(connection, CLOSE.tooSlow, 'the connection takes nothing any more');
  } else {
    flushDue(connection, nowMs);
    pollDue(connection, nowMs);
  }
}

function memberOf(connection: () => Connection): Member {
  return {
    get subscriptions() {
      return Array.from(connection().held.values(), (one) => one.subscription);
    },
    ready: () => flushAll(connection()),
    created: (series, missed) => addCreated(connection(), series, missed),
    gap: () => beginAgain(connection()),
    bundleChanged: () => decideAgain(connection()),
    revoked({ subject, tokenId }) {
      const { claims } = connection();
      if (claims.sub === subject || (tokenId !== undefined && claims.jti === tokenId)) {
        close(connection(), CLOSE.forbidden, 'the token was revoked');
      }
    },
  };
}

/** Opens a session; `claims` are verified and their tail is allowed. `onClosed` is called once, at its end. */
export function openSession(
  transport: Transport,
  claims: Claims,
  services: TailServices,
  onClosed: () => void,
): Session {
  const connection: Connection = {
    ...{ transport, services, claims, onClosed },
    held: new Map(),
    member: memberOf(() => connection),
    isOpen: true,
    stall: undefined,
  };
  services.hub.join(connection.member);
  return {
    member: connection.member,
    receive: (value) => receive(connection, value),
    refuse: (thrown) => fail(connection, thrown, undefined),
    subscribe: (frame) => subscribe(connection, frame),
    drained: () => flushAll(connection),
    tick: (nowMs) => tick(connection, nowMs),
    close: (code, detail) => close(connection, code, detail),
    closed: () => forget(connection),
  };
}
