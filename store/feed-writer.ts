// A process that commits points and appends them to a feed outside of it: it has a row in the database for as long as it
// lives. Who finds a row whose process is gone appends a gap in its place: between a COMMIT and the feed there may have
// been points. So nothing has to be written for a batch.
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Feed } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { pause } from '../lib/pause.ts';
import {
  deleteFeedWriter,
  holdFeedWriter,
  letFeedWriterGo,
  nextFeedWriter,
} from '../sql/statements/holdFeedWriter.ts';
import { oweFeedGap, tellFeedGap } from '../sql/statements/noteFeedGap.ts';
import { selectOtherFeedWriters, takeFeedWriter } from '../sql/statements/takeFeedWriter.ts';
import { begin, type Client, transact, type Writable, withClient } from '../sql/transaction.ts';
import { lookNowAndThen } from './now-and-then.ts';

export interface FeedWriter {
  /** For the writer: with it each transaction makes sure of the row. */
  readonly id: number;
  /** Ends it. `isThrough`: all that was committed is in the feed, so that nobody has to append a gap. */
  stop(isThrough: boolean): Promise<void>;
}

const RETRY_MS = 1_000;
/** So late are points of a process that was killed told of at most. */
const SWEEP_EVERY_MS = 5_000;
const DEADLINE_MS = 10_000;

/** Puts the row there, and keeps hold of it on a connection of its own. Waits for the database. */
export async function claimFeedWriter(database: Writable, log: Log): Promise<FeedWriter> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const id = await withClient(database, nextFeedWriter);
  let isThrough = false;

  /** Resolves when it has been let go of, or the connection is gone. */
  async function hold(client: Client, onHeld: () => void): Promise<void> {
    await holdFeedWriter(client, id);
    onHeld();
    await new Promise<void>((over) => {
      client.once('end', over);
      client.once('error', () => over());
      signal.addEventListener('abort', () => over(), { once: true });
    });
    if (!signal.aborted) throw new Error('the connection was lost');
    if (isThrough) await deleteFeedWriter(client, id);
    await letFeedWriterGo(client, id);
  }

  async function holdForever(onHeld: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        await withClient(database, (client) => hold(client, onHeld));
      } catch (cause) {
        // Others may append a gap for this process meanwhile, which costs no more than some snapshots.
        log.warn({ reason: messageOf(cause) }, 'the row of this process is not held');
        await pause(RETRY_MS, signal);
      }
    }
  }

  let holding: Promise<void> = Promise.resolve();
  await new Promise<void>((held) => {
    holding = holdForever(held);
  });
  return {
    id,
    async stop(through) {
      isThrough = through;
      stopping.abort();
      await holding;
    },
  };
}

export interface FeedSweepOptions {
  readonly database: Writable & { readonly embedded: boolean };
  readonly feed: Pick<Feed, 'append'>;
  /** The number of this process, if it has one. */
  own(): number | undefined;
  readonly log: Log;
  readonly sweepEveryMs?: number;
}

/** Appends, now and then, the gaps of processes that are gone. The first time before it resolves. */
export async function startFeedSweep(options: FeedSweepOptions): Promise<Part> {
  const { database, log, sweepEveryMs = SWEEP_EVERY_MS } = options;
  let stopped = false;

  async function sweep(): Promise<void> {
    try {
      const ids = await withClient(
        database,
        (client) => selectOtherFeedWriters(client, options.own(), database.embedded),
        DEADLINE_MS,
      );
      for (const id of ids) if (!stopped) await settleFor(id, options);
    } catch (cause) {
      log.warn({ reason: messageOf(cause) }, 'processes that are gone cannot be looked for');
    }
  }

  await sweep();
  const looking = lookNowAndThen(sweep, sweepEveryMs);
  return {
    name: 'gaps of other processes',
    async stop() {
      stopped = true;
      await looking.stop();
    },
  };
}

/** Appends the gap of a process, if it is gone; where the feed takes nothing, followers hear of it from the account. */
async function settleFor(id: number, { database, feed, log }: FeedSweepOptions): Promise<void> {
  const settle = async (client: Client) => {
    const gone = await takeFeedWriter(client, id);
    if (gone === undefined) return 'alive';
    try {
      await feed.append({ kind: 'gap' });
    } catch (cause) {
      if (!(cause instanceof TailraceError && cause.code === 'feed_unavailable')) throw cause;
      if (gone.owes) return 'owed';
      await oweFeedGap(client, id);
      return 'owes';
    }
    await deleteFeedWriter(client, id);
    return 'settled';
  };
  const outcome = await transact(database, begin, settle, DEADLINE_MS);
  if (outcome === 'owes') await withClient(database, tellFeedGap, DEADLINE_MS);
  if (outcome === 'settled') {
    log.warn({ feedWriter: id }, 'a process ended without saying what is in the feed: a gap');
  }
}
