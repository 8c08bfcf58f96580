// Keeps dead letters within bounds of age and size: the oldest go first, in small steps, and it is said. Not left to
// TimescaleDB's own jobs: those drop whole chunks by age alone.
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { pause } from '../lib/pause.ts';
import type { Database } from '../sql/connection.ts';
import { type Deleted, deleteDeadLettersOver } from '../sql/statements/deleteDeadLetters.ts';
import { dropDeadLetterChunks } from '../sql/statements/dropDeadLetterChunks.ts';
import { selectDeadLetterAccount } from '../sql/statements/selectDeadLetterAccount.ts';
import { selectReplaysWaiting } from '../sql/statements/selectReplaysWaiting.ts';
import { withClient } from '../sql/transaction.ts';

export interface DeadLetterRetentionOptions {
  readonly database: Pick<Database, 'writer' | 'embedded'>;
  /** How long a letter is kept. */
  readonly ageMaxMs: number;
  /** Of all letters together. */
  readonly bytesMax: number;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly intervalMs?: number;
}

export interface DeadLetterRetention extends Part {
  /** Looks once, after the look that is under way; rejects where that fails. */
  lookNow(): Promise<void>;
}

const INTERVAL_MS = 5_000;
const FAILED_MS = 30_000;
/** Letters of a step: 20 to 40 ms embedded, where everybody else waits. */
const STEP_LETTERS = { embedded: 500, native: 5_000 } as const;
/** Age, and what waits for replay, are looked at once in so many ms: that takes planning for every day's chunk. */
const AGE_INTERVAL_MS = 60_000;
/** Chunks are dropped once in so many ms: it takes a lock that writers feel. */
const CHUNKS_INTERVAL_MS = 600_000;

/** Starts looking every few seconds. */
export function startDeadLetterRetention(options: DeadLetterRetentionOptions): DeadLetterRetention {
  const { metrics, log, bytesMax, intervalMs = INTERVAL_MS } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const dropped = metrics.counter(
    'tailrace_dead_letters_dropped_total',
    'dead letters that were dropped because they were too old or too many',
  );
  let seen: Seen = { letters: 0, bytes: 0, waiting: 0 };
  expose(metrics, () => seen, bytesMax);
  const look = createLook(options, signal);
  let turn: Promise<unknown> = Promise.resolve();

  function lookNow(): Promise<void> {
    const result = turn.then(async () => {
      const found = await look();
      seen = found.seen;
      dropped.inc(found.dropped);
    });
    turn = result.catch(() => undefined);
    return result;
  }

  async function keepUp(): Promise<void> {
    while (!signal.aborted) {
      let waitMs = intervalMs;
      try {
        await lookNow();
      } catch (cause) {
        waitMs = FAILED_MS;
        log.warn({ reason: messageOf(cause) }, 'old dead letters cannot be dropped at the moment');
      }
      await pause(waitMs, signal);
    }
  }

  const keeping = keepUp();
  return {
    name: 'retention of dead letters',
    lookNow,
    async stop() {
      stopping.abort();
      await keeping;
      await turn;
    },
  };
}

/** Makes what looks once: it drops what is over, and gives the account of what is left. */
function createLook(options: DeadLetterRetentionOptions, signal: AbortSignal) {
  const { database, ageMaxMs, bytesMax, clock, log } = options;
  let ageAtMs = Number.NEGATIVE_INFINITY;
  let chunksAtMs = Number.NEGATIVE_INFINITY;
  let waiting = 0;
  const account = () => withClient(database, selectDeadLetterAccount);

  return async () => {
    const nowMs = clock();
    const beforeMs = nowMs - ageMaxMs;
    const found = await account();
    const isAgeDue = nowMs - ageAtMs >= AGE_INTERVAL_MS;
    if (!isAgeDue && found.bytes <= bytesMax) return { dropped: 0, seen: { ...found, waiting } };
    const gone = await dropOver(options, beforeMs, signal);
    if (gone.letters > 0) {
      log.warn(
        gone,
        'the oldest dead letters were dropped: DEAD_LETTER_AGE_MAX, DEAD_LETTER_BYTES_MAX',
      );
    }
    if (isAgeDue) {
      ageAtMs = nowMs;
      waiting = await withClient(database, selectReplaysWaiting);
    }
    if (nowMs - chunksAtMs >= CHUNKS_INTERVAL_MS && !signal.aborted) {
      chunksAtMs = nowMs;
      await withClient(database, (client) => dropDeadLetterChunks(client, beforeMs));
    }
    return { dropped: gone.letters, seen: { ...(await account()), waiting } };
  };
}

/** Drops what is over in steps; others have the database for as long as each step took. */
async function dropOver(
  { database, bytesMax }: DeadLetterRetentionOptions,
  beforeMs: number,
  signal: AbortSignal,
): Promise<Deleted> {
  const limit = STEP_LETTERS[database.embedded ? 'embedded' : 'native'];
  let letters = 0;
  let bytes = 0;
  while (!signal.aborted) {
    const sinceMs = performance.now();
    const gone = await withClient(database, (client) =>
      deleteDeadLettersOver(client, { beforeMs, bytesMax, limit }),
    );
    letters += gone.letters;
    bytes += gone.bytes;
    if (gone.letters < limit) break;
    await pause(performance.now() - sinceMs, signal);
  }
  return { letters, bytes };
}

interface Seen {
  readonly letters: number;
  readonly bytes: number;
  readonly waiting: number;
}

function expose(metrics: Metrics, seen: () => Seen, bytesMax: number): void {
  metrics.gauge('tailrace_dead_letters_size', 'bytes of dead letters', () => seen().bytes);
  metrics.gauge('tailrace_dead_letters_max', 'most bytes of dead letters', () => bytesMax);
  metrics.gauge('tailrace_dead_letters', 'dead letters that are kept', () => seen().letters);
  metrics.gauge(
    'tailrace_dead_letters_waiting',
    'dead letters whose replay was asked for',
    () => seen().waiting,
  );
}
