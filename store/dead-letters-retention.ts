// Keeps dead letters within bounds of age and size: the oldest go first, in small steps, and it is said. Not left to
// TimescaleDB's own jobs: those drop whole chunks by age alone.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Database } from '../sql/connection.ts';
import { deleteDeadLettersOver } from '../sql/statements/deleteDeadLetters.ts';
import { dropDeadLetterChunks } from '../sql/statements/dropDeadLetterChunks.ts';
import { selectDeadLetterAccount } from '../sql/statements/selectDeadLetterAccount.ts';
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
/** Chunks are looked for once in so many ms: it takes a lock that writers feel. */
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
  const seen = { letters: 0, bytes: 0, waiting: 0 };
  expose(metrics, seen, bytesMax);
  const look = createLook(options, signal);
  let turn: Promise<unknown> = Promise.resolve();

  function lookNow(): Promise<void> {
    const result = turn.then(async () => {
      const found = await look();
      Object.assign(seen, found.account);
      dropped.inc(found.letters);
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
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
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

/** One look: drops what is over, and gives the account of what is left. */
function createLook(options: DeadLetterRetentionOptions, signal: AbortSignal) {
  const { database, ageMaxMs, bytesMax, clock, log } = options;
  const limit = STEP_LETTERS[database.embedded ? 'embedded' : 'native'];
  let chunksAtMs = Number.NEGATIVE_INFINITY;

  return async () => {
    const beforeMs = clock() - ageMaxMs;
    let [letters, bytes] = [0, 0];
    for (let isOver = true; isOver && !signal.aborted; ) {
      const sinceMs = performance.now();
      const gone = await withClient(database, (client) =>
        deleteDeadLettersOver(client, { beforeMs, bytesMax, limit }),
      );
      letters += gone.letters;
      bytes += gone.bytes;
      isOver = gone.letters === limit;
      // Others have the database for as long as the step took.
      if (isOver) await sleep(performance.now() - sinceMs);
    }
    if (letters > 0) {
      log.warn(
        { letters, bytes },
        'the oldest dead letters were dropped: DEAD_LETTER_AGE_MAX, DEAD_LETTER_BYTES_MAX',
      );
    }
    if (clock() - chunksAtMs > CHUNKS_INTERVAL_MS && !signal.aborted) {
      chunksAtMs = clock();
      await withClient(database, (client) => dropDeadLetterChunks(client, beforeMs));
    }
    return { letters, account: await withClient(database, selectDeadLetterAccount) };
  };
}

interface Seen {
  readonly letters: number;
  readonly bytes: number;
  readonly waiting: number;
}

function expose(metrics: Metrics, seen: Seen, bytesMax: number): void {
  metrics.gauge('tailrace_dead_letters_size', 'bytes of dead letters', () => seen.bytes);
  metrics.gauge('tailrace_dead_letters_max', 'most bytes of dead letters', () => bytesMax);
  metrics.gauge('tailrace_dead_letters', 'dead letters that are kept', () => seen.letters);
  metrics.gauge(
    'tailrace_dead_letters_waiting',
    'dead letters whose replay was asked for',
    () => seen.waiting,
  );
}
