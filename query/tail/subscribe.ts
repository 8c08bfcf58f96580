// Setting a subscription up so that nothing is missed: it is attached to the feed first, then sent what lies behind.
import { TailraceError } from '../../lib/errors.ts';
import { encodeCursor, type Position } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { resolveChoice, shownByIds } from '../choice.ts';
import { invalidParameter } from '../parameters.ts';
import {
  type Connection,
  fail,
  flushAll,
  goneSignal,
  type Held,
  isFlowing,
  leaveOnceTaken,
  untilTaken,
} from './connection.ts';
import { decideAgain, settle, shapeOf } from './decide.ts';
import { SUBSCRIPTIONS_MAX, type SubscribeFrame, seriesOfFrame } from './frames.ts';
import { firstPoll, notePoint } from './poll.ts';
import { giveMissed, readMissed } from './recover.ts';
import { factsOf } from './right.ts';
import { admitSnapshot, snapshotFrame } from './snapshot.ts';
import { createSubscription } from './subscription.ts';

/** Series of one subscription. */
const SERIES_MAX = 10_000;

/** Who resumes is sent every point as fast as it reads, for so long; what is left then has to wait as ever. */
const PATIENCE_MS = 20_000;
/** While so much is kept back for it meanwhile. */
const HELD_PATIENT_BYTES = 2 * 1024 * 1024;

/** Before anything is known of the feed's position. */
const NOWHERE: Position = { epoch: '', offset: 0 };

/** Says what is followed, from which cursor; the snapshot comes behind it. */
function greet(
  connection: Connection,
  one: Held,
  { cursor, recovered }: { readonly cursor: string; readonly recovered: boolean | null },
): void {
  const { transport, services, right } = connection;
  const { frame, subscription } = one;
  const series = shownByIds(subscription.seriesIds, right.grant, services.catalogue);
  const shown = series.map(seriesOfFrame);
  // Who breaks off before the snapshot has nothing yet to go on from.
  const bringsTo = frame.snapshot !== undefined && recovered !== true ? undefined : cursor;
  transport.send({ type: 'subscribed', id: frame.id, series: shown, cursor, recovered }, bringsTo);
  connection.isGreeted = true;
  // It tells of all that came and went before.
  one.news = undefined;
}

/** Has a subscription keep back what comes after the position returned. */
function hold({ services, member }: Connection, { subscription }: Held): Position {
  const here = services.hub.attach(member, subscription);
  subscription.hold(here);
  return here;
}

/** What came of a cursor: its client has everything since up to here, or cannot have it; or the subscription is no more. */
type Recovery =
  | { readonly kind: 'recovered' }
  | { readonly kind: 'lost'; readonly here: Position }
  | { readonly kind: 'over' };

/** Sends what came after a cursor, and holds what comes now. */
async function recover(
  connection: Connection,
  one: Held,
  since: string,
  isCurrent: () => boolean,
): Promise<Recovery> {
  const { feed, recoveries } = connection.services;
  if (!isCurrent()) return { kind: 'over' };
  const here = hold(connection, one);
  const missed = await readMissed(feed, since, here);
  if (!isCurrent()) return { kind: 'over' };
  if (missed === undefined) return { kind: 'lost', here };
  // Whoever resumes from this cursor gets what a recovered subscription has still to be sent.
  greet(connection, one, { cursor: since, recovered: true });
  one.stage = 'recovering';
  const patientUntilMs = performance.now() + one.patienceMs;
  const onSlice = async () => {
    await recoveries.turn();
    if (!isCurrent()) return false;
    flushAll(connection);
    const leftMs = patientUntilMs - performance.now();
    const waits = leftMs > 0 && one.subscription.heldBytes < HELD_PATIENT_BYTES;
    if (waits && !isFlowing(connection)) await untilTaken(connection, leftMs);
    return isCurrent();
  };
  const isGiven = await giveMissed(one.subscription, missed, onSlice);
  return { kind: isGiven && isCurrent() ? 'recovered' : 'over' };
}

/**
 * Sends the history that a subscription begins with. That is in flight as a request is; whether there is room for it has
 * been asked, or the server builds the subscription again of its own accord.
 */
async function sendSnapshot(
  connection: Connection,
  { frame, snapshotGrant }: Held,
  cursor: string,
  isCurrent: () => boolean,
): Promise<void> {
  const { transport, services, right } = connection;
  const facts = factsOf(connection);
  const claims = () => right.claims;
  const signal = goneSignal(connection);
  const leave = services.limits.enterReading(right.claims);
  try {
    const snapshot = await snapshotFrame(frame, claims, facts, services, signal, snapshotGrant);
    if (isCurrent()) transport.send(snapshot, cursor);
  } finally {
    leaveOnceTaken(connection, leave);
  }
}

/** Sends `subscribed`, then the snapshot or what was missed, then lets the points flow. */
async function setUp(connection: Connection, one: Held): Promise<void> {
  const { services, held } = connection;
  const { frame, subscription, resume } = one;
  one.setups += 1;
  one.stage = 'opening';
  const { setups } = one;
  // After every wait: the right may have ended meanwhile, or be another one under which this is to be built again.
  const isCurrent = () =>
    settle(connection) &&
    held.get(frame.id) === one &&
    one.setups === setups &&
    one.stage !== 'suspended';

  const since = typeof resume === 'object' && one.poll === undefined ? resume.since : undefined;
  const recovery: Recovery =
    since === undefined
      ? { kind: 'lost', here: hold(connection, one) }
      : await services.recoveries.enter(() => recover(connection, one, since, isCurrent));
  if (recovery.kind === 'over') return;
  if (recovery.kind === 'lost') {
    const cursor = encodeCursor(recovery.here);
    greet(connection, one, { cursor, recovered: resume === 'new' ? null : false });
    one.stage = 'subscribed';
    if (frame.snapshot !== undefined) await sendSnapshot(connection, one, cursor, isCurrent);
    if (!isCurrent()) return;
  }
  subscription.release();
  one.stage = 'flowing';
  connection.tickAtMs = 0;
  flushAll(connection);
}

function checkCount({ held }: Connection, id: string): void {
  if (held.has(id) || held.size < SUBSCRIPTIONS_MAX) return;
  throw new TailraceError(
    'too_many_subscriptions',
    `A connection has ${SUBSCRIPTIONS_MAX} subscriptions at most.`,
  );
}

/** Throws what an `error` frame says where these are more series than one subscription may have. */
export function checkSeriesCount(count: number, { obligations }: Grant): void {
  const { max_series: allowed = SERIES_MAX } = obligations;
  if (count > SERIES_MAX) {
    throw invalidParameter('match', `finds more than ${SERIES_MAX} series; narrow it`);
  }
  if (count <= allowed) return;
  throw new TailraceError(
    'forbidden',
    `The policy allows ${allowed} series a subscription, and these are ${count}.`,
    { details: { max_series: allowed } },
  );
}

function maxHzOf(frame: SubscribeFrame, grant: Grant): number | undefined {
  const limits = [frame.maxHz, grant.obligations.max_rate_hz].filter((hz) => hz !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** Sets a subscription of these series up, in the place of an earlier one of its id. */
async function begin(
  connection: Connection,
  frame: SubscribeFrame,
  series: readonly Series[],
  beginning: Pick<Held, 'resume' | 'snapshotGrant' | 'patienceMs'>,
): Promise<void> {
  const { grant } = connection.right;
  const { clock } = connection.services;
  const { id } = frame;
  unsubscribe(connection, id);
  const maxHz = maxHzOf(frame, grant);
  const lookbackMs = grant.obligations.lookback_ms;
  const seriesIds = series.map((one) => one.id);
  const poll = firstPoll(grant, clock());
  const one: Held = {
    frame,
    stage: 'opening',
    setups: 0,
    shape: shapeOf(grant),
    resume: beginning.resume,
    snapshotGrant: beginning.snapshotGrant,
    patienceMs: beginning.patienceMs,
    subscription: createSubscription({
      id,
      seriesIds,
      position: NOWHERE,
      maxHz,
      lookbackMs,
      // Delayed or coarser points come from the table: those of the feed would be fresher or finer.
      onPoint: poll && ((point, nowMs) => notePoint(poll, point, nowMs)),
      clock,
    }),
    poll,
    news: undefined,
    cohort: undefined,
    seriesKey: undefined,
  };
  connection.held.set(id, one);
  try {
    await setUp(connection, one);
  } catch (thrown) {
    // Without its snapshot it is no subscription: the client is told, and may ask again.
    if (connection.held.get(id) === one) unsubscribe(connection, id);
    throw thrown;
  }
}

/**
 * Answers a `subscribe` frame; one with the id of an earlier one replaces it.
 *
 * @throws TailraceError for the `error` frame: `forbidden`, `too_many_subscriptions`, or what a range throws.
 */
export async function subscribe(connection: Connection, frame: SubscribeFrame): Promise<void> {
  if (!decideAgain(connection)) return;
  const { right, services } = connection;
  const { series, unknown } = resolveChoice(frame.choice, right.grant, services.catalogue);
  for (const name of unknown) {
    fail(connection, new TailraceError('unknown_series', `There is no series ${name}.`), frame.id);
  }
  if (frame.choice.kind === 'names' && series.length === 0) return;
  checkSeriesCount(series.length, right.grant);
  checkCount(connection, frame.id);
  // Before anything is promised: a snapshot that would be refused is no beginning.
  const snapshotGrant =
    frame.snapshot === undefined
      ? undefined
      : admitSnapshot(frame, right.claims, factsOf(connection), services);
  const resume = frame.since === undefined ? 'new' : { since: frame.since };
  await begin(connection, frame, series, { resume, snapshotGrant, patienceMs: PATIENCE_MS });
}

/**
 * Builds a subscription again whose obligations changed, from where its client stands.
 *
 * @throws TailraceError for the `error` frame, after which it is no more.
 */
export async function renew(connection: Connection, { frame, resume }: Held): Promise<void> {
  const { right, services } = connection;
  const { series } = resolveChoice(frame.choice, right.grant, services.catalogue);
  try {
    checkSeriesCount(series.length, right.grant);
  } catch (thrown) {
    unsubscribe(connection, frame.id);
    throw thrown;
  }
  // Others wait for their turn meanwhile.
  await begin(connection, frame, series, { resume, snapshotGrant: undefined, patienceMs: 0 });
}

/** Ends a subscription, if there is one of that id. */
export function unsubscribe(connection: Connection, id: string): void {
  const one = connection.held.get(id);
  if (one === undefined) return;
  connection.services.cohorts.leave(one);
  connection.services.hub.detach(one.subscription);
  connection.held.delete(id);
}
