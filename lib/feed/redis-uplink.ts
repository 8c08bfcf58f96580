// Appending to the log in Redis while that takes records, and telling at once where it does not: acknowledgements go on.
// What was not taken is owed to the followers as a gap, which comes before any other record.
import type { Redis } from 'ioredis';
import { within } from '../deadline.ts';
import { messageOf, TailraceError } from '../errors.ts';
import type { Log } from '../log.ts';
import { pause } from '../pause.ts';
import type { FeedBody, GapAccount, Position } from './feed.ts';
import { encodeBody, encodeWithin } from './record-codec.ts';
import type { RedisLog } from './redis-log.ts';

export interface UplinkOptions {
  readonly redis: Redis;
  readonly redisLog: RedisLog;
  readonly gaps: Pick<GapAccount, 'owe' | 'settle'>;
  readonly log: Log;
}

export interface Uplink {
  /** @throws TailraceError `feed_unavailable`, with the gap in the account; `stopped`; what the account throws. */
  append(body: FeedBody): Promise<Position>;
  /** @throws TailraceError `feed_unavailable`, soon or at once. */
  newest(): Promise<Position>;
  /** Whether records are taken, as far as is known. */
  readonly isTaking: boolean;
  stop(): Promise<void>;
}

/**
 * Of a record; a larger one is divided. Redis takes 512 MB at the most, others less, and whoever reads has some hundred
 * of them in memory at a time. A transaction of 20,000 numbers has half of it.
 */
const RECORD_BYTES_MAX = 1024 * 1024;
/** A sender waits so long for its acknowledgement because of the feed. */
const ANSWER_MAX_MS = 1_000;
const AGAIN_MS = 50;
const RETRY_MS = 250;
/**
 * Where Redis is silent, it is waited for on the same connection first: what it was sent comes in before the gap then,
 * as it should. On a new one nobody knows, but a peer that is gone without a word may never answer on the old.
 */
const SILENCE_MAX_MS = 30_000;
const GAP = encodeBody({ kind: 'gap' });

/** Records whose loss makes what followers know wrong; of the others they learn in other ways, too. */
function isOfPoints({ kind }: FeedBody): boolean {
  return kind === 'readings' || kind === 'series';
}

/** Makes it, for a Redis that has answered. */
export function createUplink({ redis, redisLog, gaps, log }: UplinkOptions): Uplink {
  const stopping = new AbortController();
  const { signal } = stopping;
  /** `missed` counts what was not taken since the last gap. */
  let state: { readonly kind: 'taking' } | { readonly kind: 'away'; missed: number } = {
    kind: 'taking',
  };
  let reviving: Promise<void> = Promise.resolve();

  function lose(cause: unknown): void {
    if (state.kind === 'away' || signal.aborted) return;
    log.warn({ reason: messageOf(cause) }, 'the feed in Redis takes nothing');
    state = { kind: 'away', missed: 0 };
    reviving = reviving.then(revive);
  }

  /** Tries to append what is owed, or only asks, until that succeeds. */
  async function revive(): Promise<void> {
    while (state.kind === 'away' && !signal.aborted) {
      await pause(RETRY_MS, signal);
      if (signal.aborted) return;
      const { missed } = state;
      const work = missed > 0 ? redisLog.append(GAP) : redisLog.newest();
      try {
        await within(work, SILENCE_MAX_MS, () => redis.disconnect(true));
      } catch {
        continue;
      }
      // What was missed since may have been committed after the gap was in.
      if (state.missed > missed) continue;
      state = { kind: 'taking' };
      log.info({ missed }, 'the feed in Redis takes records again');
      if (missed > 0) await gaps.settle();
    }
  }

  /** Asks until there is an answer, and not for long: a Redis that only starts again is back by then. */
  async function ask<T>(question: () => Promise<T>): Promise<T> {
    const lastMs = performance.now() + ANSWER_MAX_MS;
    for (;;) {
      if (signal.aborted) throw new TailraceError('stopped', 'The feed has stopped.');
      if (state.kind === 'away') throw unavailable();
      try {
        return await within(question(), Math.max(1, lastMs - performance.now()));
      } catch (cause) {
        if (performance.now() + AGAIN_MS < lastMs) await pause(AGAIN_MS, signal);
        else {
          lose(cause);
          throw unavailable(cause);
        }
      }
    }
  }

  async function append(body: FeedBody): Promise<Position> {
    const [first, ...more] = encodeWithin(body, RECORD_BYTES_MAX) as [Buffer, ...Buffer[]];
    try {
      let position = await ask(() => redisLog.append(first));
      for (const payload of more) position = await ask(() => redisLog.append(payload));
      return position;
    } catch (thrown) {
      if (!isOfPoints(body) || signal.aborted) throw thrown;
      // Whatever failed has made it so, in this turn.
      if (state.kind === 'away') state.missed += 1;
      await gaps.owe();
      throw thrown;
    }
  }

  return {
    append,
    newest: () => ask(redisLog.newest),
    get isTaking() {
      return state.kind === 'taking';
    },
    async stop() {
      stopping.abort();
      redis.disconnect();
      await reviving;
    },
  };
}

function unavailable(cause?: unknown): TailraceError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new TailraceError('feed_unavailable', `The feed in Redis takes nothing now${why}.`, {
    cause,
  });
}
