// Setting a subscription up so that nothing is missed: it is attached to the feed first, then sent what lies behind.
import { TailraceError } from '../../lib/errors.ts';
import { decodeCursor, encodeCursor, type FeedRecord, type Position } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { resolveChoice } from '../choice.ts';
import { invalidParameter } from '../parameters.ts';
import { type Connection, factsOf, fail, flushAll, type Held } from './connection.ts';
import { SUBSCRIPTIONS_MAX, type SubscribeFrame, seriesOfFrame } from './frames.ts';
import { firstPoll } from './poll.ts';
import { admitSnapshot, snapshotFrame } from './snapshot.ts';
import { createSubscription } from './subscription.ts';

/** Series of one subscription. */
const SERIES_MAX = 10_000;

/** Before anything is known of the feed's position. */
const NOWHERE: Position = { epoch: '', offset: 0 };

/** The records after a cursor up to `here`; undefined where they are not to be had. */
async function recover(
  connection: Connection,
  since: string,
  here: Position,
): Promise<readonly FeedRecord[] | undefined> {
  const position = decodeCursor(since);
  if (position === undefined || position.epoch !== here.epoch) return undefined;
  const read = await connection.services.feed.readAfter(position);
  if (!read.recovered) return undefined;
  return read.records.filter((record) => record.position.offset <= here.offset);
}

/** How a subscription begins: anew, from a cursor, or again after records were lost. */
export type Beginning = { readonly since: string } | 'new' | 'lost';

/** Sends `subscribed`, then the snapshot where it is wanted, then lets the points flow. */
export async function setUp(
  connection: Connection,
  one: Held,
  series: readonly Series[],
  beginning: Beginning,
): Promise<void> {
  const { transport, services, held, member } = connection;
  const { frame, subscription } = one;
  one.setups += 1;
  const { setups } = one;
  const isCurrent = () => connection.isOpen && held.get(frame.id) === one && one.setups === setups;

  const here = services.hub.attach(member, subscription);
  // Delayed or coarser points come from the table: what is attached to the feed would be fresher or finer.
  if (one.poll !== undefined) services.hub.detach(subscription);
  subscription.hold(here);
  const since = typeof beginning === 'object' ? beginning.since : undefined;
  const isLive = one.poll === undefined;
  const before =
    since === undefined || !isLive ? undefined : await recover(connection, since, here);
  if (!isCurrent()) return;
  const recovered = beginning === 'new' ? null : before !== undefined;
  // Whoever resumes from this cursor gets what a recovered subscription has still to be sent.
  const cursor = recovered === true && since !== undefined ? since : encodeCursor(here);
  const shown = series.map(seriesOfFrame);
  transport.send({ type: 'subscribed', id: frame.id, series: shown, cursor, recovered }, cursor);
  if (frame.snapshot !== undefined && recovered !== true) {
    const facts = factsOf(connection);
    const snapshot = await snapshotFrame(frame, connection.claims, facts, services);
    if (!isCurrent()) return;
    transport.send(snapshot);
  }
  subscription.release(before ?? []);
  flushAll(connection);
}

function checkCount({ held }: Connection, id: string): void {
  if (held.has(id) || held.size < SUBSCRIPTIONS_MAX) return;
  throw new TailraceError(
    'too_many_subscriptions',
    `A connection has ${SUBSCRIPTIONS_MAX} subscriptions at most.`,
  );
}

function maxHzOf(frame: SubscribeFrame, grant: Grant): number | undefined {
  const limits = [frame.maxHz, grant.obligations.max_rate_hz].filter((hz) => hz !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/**
 * Answers a `subscribe` frame; one with the id of an earlier one replaces it.
 *
 * @throws TailraceError for the `error` frame: `forbidden`, `too_many_subscriptions`, or what a range throws.
 */
export async function subscribe(connection: Connection, frame: SubscribeFrame): Promise<void> {
  const { authority, catalogue, clock } = connection.services;
  const grant = authority.decide('tail', connection.claims, factsOf(connection), clock());
  const { series, unknown } = resolveChoice(frame.choice, grant, catalogue);
  for (const name of unknown) {
    fail(connection, new TailraceError('unknown_series', `There is no series ${name}.`), frame.id);
  }
  if (frame.choice.kind === 'names' && series.length === 0) return;
  if (series.length > SERIES_MAX) {
    throw invalidParameter('match', `finds more than ${SERIES_MAX} series; narrow it`);
  }
  checkCount(connection, frame.id);
  if (frame.snapshot !== undefined) {
    // Before anything is promised: a snapshot that would be refused is no beginning.
    const { claims, services } = connection;
    admitSnapshot(frame, claims, factsOf(connection), services);
  }
  unsubscribe(connection, frame.id);
  const { id } = frame;
  const maxHz = maxHzOf(frame, grant);
  const lookbackMs = grant.obligations.lookback_ms;
  const one: Held = {
    frame,
    subscription: createSubscription({ id, series, position: NOWHERE, maxHz, lookbackMs, clock }),
    obligations: JSON.stringify(grant.obligations),
    setups: 0,
    poll: firstPoll(grant, clock()),
  };
  connection.held.set(id, one);
  const beginning = frame.since === undefined ? 'new' : { since: frame.since };
  try {
    await setUp(connection, one, series, beginning);
  } catch (thrown) {
    // Without its snapshot it is no subscription: the client is told, and may ask again.
    if (connection.held.get(id) === one) unsubscribe(connection, id);
    throw thrown;
  }
}

/** Ends a subscription, if there is one of that id. */
export function unsubscribe(connection: Connection, id: string): void {
  const one = connection.held.get(id);
  if (one === undefined) return;
  connection.services.hub.detach(one.subscription);
  connection.held.delete(id);
}
