// What the feed misses, kept in the database: points that were committed while the feed took nothing. Every process looks
// there for what others could not append, so that its followers hear of it though the feed is silent.
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { GapAccount } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { oweFeedGap, settleFeedGap, tellFeedGap } from '../sql/statements/noteFeedGap.ts';
import { selectFeedGaps } from '../sql/statements/selectFeedGaps.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import { lookNowAndThen } from './now-and-then.ts';

export interface FeedGaps extends Part, GapAccount {
  /** Under this number this process owes from now on; without one it commits nothing that it would have to append. */
  actAs(feedWriter: number): void;
  readonly feedWriter: number | undefined;
  /** Whether this process owes a gap, as it is kept. */
  readonly owes: boolean;
}

export interface FeedGapsOptions {
  readonly database: Writable;
  readonly log: Log;
  readonly lookEveryMs?: number;
  /** While points are missing, followers begin again from the database so often at most. */
  readonly tellEveryMs?: number;
}

/** So late may a follower hear of it; a look is one small statement. */
const LOOK_EVERY_MS = 1_000;
/** Each time all tails read their snapshots again. */
const TELL_EVERY_MS = 5_000;
const DEADLINE_MS = 10_000;

/** What this process owes. */
interface Own {
  owes: boolean;
  /** How it stands in the database. */
  kept: 'owed' | 'settled' | 'unsure';
  /** Whether more was missed since others were told. */
  hasMore: boolean;
  toldMs: number;
}

/** Reads the account, and looks at it from then on. */
export async function openFeedGaps(options: FeedGapsOptions): Promise<FeedGaps> {
  const { database, log, lookEveryMs = LOOK_EVERY_MS, tellEveryMs = TELL_EVERY_MS } = options;
  const listeners = new Set<() => void>();
  let feedWriter: number | undefined;
  const own: Own = { owes: false, kept: 'settled', hasMore: false, toldMs: 0 };
  let turn: Promise<unknown> = Promise.resolve();
  let fails = false;
  const ask = <T>(work: Parameters<typeof withClient<T>>[1]) =>
    withClient(database, work, DEADLINE_MS);
  let known = await ask(selectFeedGaps);

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  async function tell(): Promise<void> {
    own.hasMore = false;
    await ask(tellFeedGap);
    own.toldMs = performance.now();
  }

  async function keepOwing(id: number): Promise<void> {
    if (!own.owes || own.kept === 'owed') return;
    own.kept = 'unsure';
    // In this order: who hears of a gap finds that it is owed.
    await ask((client) => oweFeedGap(client, id));
    await tell();
    own.kept = 'owed';
  }

  async function keepSettled(id: number): Promise<void> {
    if (own.owes || own.kept === 'settled') return;
    own.kept = 'unsure';
    await ask((client) => settleFeedGap(client, id));
    own.kept = 'settled';
  }

  async function look(): Promise<void> {
    if (feedWriter !== undefined) await keepSettled(feedWriter);
    if (own.hasMore && performance.now() - own.toldMs >= tellEveryMs) await tell();
    const before = known;
    known = await ask(selectFeedGaps);
    if (known.number !== before.number) for (const listener of [...listeners]) listener();
  }

  async function lookAgain(): Promise<void> {
    try {
      await look();
      fails = false;
    } catch (thrown) {
      if (!fails) log.warn({ reason: messageOf(thrown) }, 'gaps of the feed cannot be looked for');
      fails = true;
    }
  }

  const looking = lookNowAndThen(() => inTurn(lookAgain), lookEveryMs);
  return {
    name: 'gaps of the feed',
    actAs(id) {
      feedWriter = id;
    },
    get feedWriter() {
      return feedWriter;
    },
    get owes() {
      return own.owes || own.kept !== 'settled';
    },
    get isOwed() {
      return own.owes || known.is_owed;
    },
    async owe() {
      const id = feedWriter;
      if (id === undefined) throw new TailraceError('feed_writer_unknown', 'Nobody commits here.');
      own.owes = true;
      if (own.kept === 'owed') own.hasMore = true;
      else await inTurn(() => keepOwing(id));
    },
    async settle() {
      const id = feedWriter;
      own.owes = false;
      own.hasMore = false;
      // Where that fails the next look does it: who resumes meanwhile is sent a snapshot too many.
      if (id !== undefined) await inTurn(() => keepSettled(id)).catch(() => undefined);
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async stop() {
      await looking.stop();
      await turn;
    },
  };
}
