// Subscriptions that are sent the same: their frames are made once, and one publish of the engine's sends them to all; what
// was published in one turn of the loop goes to a socket by one call of the system. Who cannot be sent what the others are
// (its client lags, its right is to be asked for again, it has something of its own to be told) goes its own way for as
// long, from the very next record on, and comes back when it has caught up.
import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { type Connection, type Held, isFlowing } from './connection.ts';
import { batchFrame } from './frames.ts';
import type { Hub } from './hub.ts';
import type { Rechecks } from './rechecks.ts';
import { endsMs, isInForce } from './right.ts';
import { createSubscription, type Subscription } from './subscription.ts';
import type { TailServices } from './tails.ts';
import { encodeFrame, type Protocol } from './wire.ts';

/** What may have been published before it is looked whether everybody takes it: so much more waits for one who does not. */
const LAG_CHECK_BYTES = 32 * 1024;

export interface Cohorts {
  /** Lets a subscription for which nothing waits go with others of its kind, from the next record on. */
  consider(connection: Connection, one: Held): void;
  /** Has a subscription go its own way again; to be called before anything about it changes. */
  leave(one: Held): void;
  /** To be called before each record: who may not be sent it with the others goes its own way by then. */
  settle(nowMs: number): void;
}

export interface CohortsOptions {
  readonly hub: Hub;
  readonly rechecks: Pick<Rechecks, 'rules' | 'revocations'>;
  readonly publish: (topic: string, data: string | Uint8Array) => void;
  readonly counters: Pick<TailServices['counters'], 'delivered' | 'lagSeconds'>;
  /** As many as there may be subscriptions. */
  readonly cohortsMax: number;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'bounded'>;
}

/** A subscription in a cohort. */
interface Going {
  readonly connection: Connection;
  readonly one: Held;
  /** Bytes that the cohort had published when it was charged last. */
  chargedTo: number;
}

/** Subscriptions of one kind. */
export interface Cohort {
  readonly key: string;
  readonly topic: string;
  readonly subscription: Subscription;
  readonly going: Map<Held, Going>;
  publishedBytes: number;
  checkedAtBytes: number;
}

/** What subscriptions that are sent the same have in common. */
function keyOf({ transport, right }: Connection, one: Held): string {
  one.seriesKey ??= createHash('sha1')
    .update(Int32Array.from(one.subscription.seriesIds).sort())
    .digest('base64url');
  const { lookback_ms: lookbackMs } = right.grant.obligations;
  return JSON.stringify([transport.topics?.wire, one.frame.id, lookbackMs, one.seriesKey]);
}

/** Whether it could go with others: nothing of its own waits or is made for it. */
function mayGo(connection: Connection, one: Held, nowMs: number): boolean {
  const { held, transport } = connection;
  const { subscription, stage, poll, news, cohort } = one;
  return (
    held.get(one.frame.id) === one &&
    cohort === undefined &&
    transport.topics !== undefined &&
    stage === 'flowing' &&
    poll === undefined &&
    !subscription.isPaced &&
    subscription.seriesIds.size > 0 &&
    subscription.behind === undefined &&
    news === undefined &&
    isFlowing(connection) &&
    isInForce(connection, nowMs)
  );
}

function charge(cohort: Cohort, one: Going): void {
  const bytes = cohort.publishedBytes - one.chargedTo;
  one.chargedTo = cohort.publishedBytes;
  if (bytes > 0) one.connection.transport.charge(bytes);
}

/** All of one server. */
interface State extends CohortsOptions {
  readonly cohorts: Map<string, Cohort>;
  readonly candidates: Map<Held, Connection>;
  topics: number;
  /** Under which all that go were found to be in force. */
  numbers: { readonly rules: number; readonly revocations: number };
  /** When the first of them has to be looked at again, ms since 1970. */
  lookAtMs: number;
  /** Of the record that is being given to all, ms since 1970. */
  nowMs: number;
  /** All that a record brings is published in the same moment: it counts once. */
  isLagObserved: boolean;
}

function leave(state: State, one: Held): void {
  state.candidates.delete(one);
  const { cohort } = one;
  const going = cohort?.going.get(one);
  if (cohort === undefined || going === undefined) return;
  const { hub, cohorts } = state;
  one.cohort = undefined;
  cohort.going.delete(one);
  if (cohort.going.size === 0) {
    cohorts.delete(cohort.key);
    hub.detach(cohort.subscription);
  }
  const { connection } = going;
  charge(cohort, going);
  connection.transport.topics?.unsubscribe(cohort.topic);
  // Everything up to here was published: its own way begins with the next record.
  const here = hub.attach(connection.member, one.subscription);
  one.subscription.hold(here);
  one.subscription.release();
}

/** Sends what a record brought to all of a cohort. */
function publishBatches(state: State, cohort: Cohort, wire: Protocol, id: string): void {
  const { publish, counters, clock, nowMs } = state;
  const { subscription, going } = cohort;
  if (!state.isLagObserved) {
    state.isLagObserved = true;
    counters.lagSeconds.observe((clock() - nowMs) / 1_000);
  }
  for (let batch = subscription.take(nowMs); batch; batch = subscription.take(nowMs)) {
    const data = encodeFrame(batchFrame(id, batch), wire);
    publish(cohort.topic, data);
    cohort.publishedBytes += Buffer.byteLength(data);
    if (batch.kind === 'data') counters.delivered.inc(batch.points.length * going.size);
  }
  if (cohort.publishedBytes - cohort.checkedAtBytes < LAG_CHECK_BYTES) return;
  cohort.checkedAtBytes = cohort.publishedBytes;
  for (const one of [...going.values()]) {
    if (isFlowing(one.connection)) charge(cohort, one);
    else leave(state, one.one);
  }
}

function createCohort(state: State, key: string, connection: Connection, one: Held): Cohort {
  const { hub, clock, cohorts } = state;
  const { frame, subscription } = one;
  const wire = connection.transport.topics?.wire ?? 'tailrace.json';
  const { lookback_ms: lookbackMs } = connection.right.grant.obligations;
  const cohort: Cohort = {
    key,
    topic: (state.topics++).toString(36),
    going: new Map(),
    subscription: createSubscription({
      id: frame.id,
      seriesIds: subscription.seriesIds,
      position: hub.position(),
      maxHz: undefined,
      lookbackMs,
      clock,
    }),
    publishedBytes: 0,
    checkedAtBytes: 0,
  };
  cohort.subscription.release();
  const member = {
    subscriptions: () => [cohort.subscription],
    ready: () => publishBatches(state, cohort, wire, frame.id),
    // Those that go are told themselves, and leave.
    created: () => undefined,
    gap: () => undefined,
  };
  hub.attach(member, cohort.subscription);
  cohorts.set(key, cohort);
  return cohort;
}

function join(state: State, cohort: Cohort, connection: Connection, one: Held): void {
  state.hub.detach(one.subscription);
  cohort.going.set(one, { connection, one, chargedTo: cohort.publishedBytes });
  one.cohort = cohort;
  connection.transport.topics?.subscribe(cohort.topic);
  state.lookAtMs = Math.min(state.lookAtMs, endsMs(connection));
}

/** Lets those go together that are of one kind. Who is the only one of its kind is sent what it is by the same way. */
function gather(state: State, nowMs: number): void {
  const { candidates, cohorts } = state;
  for (const [one, connection] of candidates) {
    candidates.delete(one);
    if (!mayGo(connection, one, nowMs)) continue;
    const key = keyOf(connection, one);
    join(state, cohorts.get(key) ?? createCohort(state, key, connection, one), connection, one);
  }
}

/** Has those go their own way that may not be sent what the others are. */
function part(state: State, nowMs: number): void {
  const { rules, revocations } = state.rechecks;
  const isSame = state.numbers.rules === rules && state.numbers.revocations === revocations;
  if (isSame && nowMs < state.lookAtMs) return;
  state.numbers = { rules, revocations };
  state.lookAtMs = Number.POSITIVE_INFINITY;
  const all = [...state.cohorts.values()].flatMap(({ going }) => [...going.values()]);
  for (const { connection, one } of all) {
    // Under other rules each waits for its turn to be decided again, and comes back then.
    if (isSame && isInForce(connection, nowMs)) {
      state.lookAtMs = Math.min(state.lookAtMs, endsMs(connection));
    } else leave(state, one);
  }
}

/** Makes an empty set of cohorts. */
export function createCohorts(options: CohortsOptions): Cohorts {
  const { rules, revocations } = options.rechecks;
  const state: State = {
    ...options,
    ...{ cohorts: new Map(), candidates: new Map(), topics: 0 },
    ...{ numbers: { rules, revocations }, lookAtMs: Number.POSITIVE_INFINITY },
    ...{ nowMs: 0, isLagObserved: false },
  };
  options.metrics.bounded('tail_cohorts', () => state.cohorts.size, options.cohortsMax);
  return {
    consider(connection, one) {
      const isOwnWay = connection.transport.topics === undefined || one.subscription.isPaced;
      if (one.cohort === undefined && !isOwnWay) state.candidates.set(one, connection);
    },
    leave: (one) => leave(state, one),
    settle(nowMs) {
      Object.assign(state, { nowMs, isLagObserved: false });
      part(state, nowMs);
      if (state.candidates.size > 0) gather(state, nowMs);
    },
  };
}
