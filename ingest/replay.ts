// The worker that replays dead letters: what people ask for goes through the ingester again, as if it had just come.
// A process that is killed between COMMIT and mark has the letter replayed once more, which makes duplicates and nothing
// else: the same series, the same times, the same values.
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { InboundMessage } from '../lib/mqtt/message.ts';
import { pause } from '../lib/pause.ts';
import type {
  FinishedReplay,
  LetterToReplay,
  ReplayOutcome,
  ReplayQueue,
} from '../store/dead-letters-replay.ts';
import type { MessageOutcome } from './message-outcome.ts';

export interface ReplayWorkerOptions {
  readonly queue: ReplayQueue;
  /** Takes a message through the pipeline; resolves once it is settled. */
  replay(message: InboundMessage): Promise<MessageOutcome>;
  readonly metrics: Metrics;
  readonly log: Log;
  /** How often it looks for what others ask for. */
  readonly pollMs?: number;
  /** How long `stop` waits for the letters in hand. */
  readonly drainMaxMs?: number;
}

export interface ReplayWorker extends Part {
  /** Has it look at once. */
  wake(): void;
}

const POLL_MS = 1_000;
const FAILED_MS = 5_000;
const DRAIN_MAX_MS = 5_000;

/** A letter's outcome as it is marked: the worst first, for a letter that is still dead in part is to be looked at. */
export function finishedReplay(id: number, outcome: MessageOutcome): FinishedReplay {
  const { inserted, corrected, duplicate, ignored, deadLettered: dead_lettered, faults } = outcome;
  const outcomes = { inserted, duplicate, corrected, dead_lettered, ignored };
  const order: readonly ReplayOutcome[] = ['dead_lettered', 'inserted', 'corrected', 'duplicate'];
  return {
    id,
    outcome: order.find((name) => outcomes[name] > 0) ?? 'ignored',
    outcomes,
    fault: faults[0],
  };
}

/** Starts looking for letters whose replay was asked for. */
export function startReplayWorker(options: ReplayWorkerOptions): ReplayWorker {
  const { queue, log, metrics, pollMs = POLL_MS, drainMaxMs = DRAIN_MAX_MS } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let alarm = new AbortController();
  const replayed = metrics.counter(
    'tailrace_dead_letters_replayed_total',
    'dead letters that were replayed, by what became of them',
    ['outcome'],
  );

  /** Replays what can be claimed at once; whether there was anything. */
  async function round(): Promise<boolean> {
    const letters = await queue.claim();
    if (letters.length === 0) return false;
    const ids = letters.map(({ id }) => id);
    const stopExtending = keepClaimed(queue, ids, log);
    try {
      const finished = await replayAll(letters, options, signal, drainMaxMs);
      await queue.finish(finished);
      for (const { outcome } of finished) replayed.inc({ outcome });
      tell(log, finished);
      if (finished.length < letters.length) {
        const done = new Set(finished.map(({ id }) => id));
        await queue.release(ids.filter((id) => !done.has(id)));
      }
    } finally {
      stopExtending();
    }
    return true;
  }

  async function work(): Promise<void> {
    while (!signal.aborted) {
      alarm = new AbortController();
      let waitMs = pollMs;
      try {
        if (await round()) continue;
      } catch (cause) {
        waitMs = FAILED_MS;
        log.warn({ reason: messageOf(cause) }, 'dead letters cannot be replayed at the moment');
      }
      await pause(waitMs, alarm.signal);
    }
  }

  const working = work();
  return {
    name: 'replay of dead letters',
    wake: () => alarm.abort(),
    async stop() {
      stopping.abort();
      alarm.abort();
      await working;
    },
  };
}

/** All of them at once; those that are settled, where it is told to stop before all are. */
async function replayAll(
  letters: readonly LetterToReplay[],
  { replay, log }: ReplayWorkerOptions,
  stopping: AbortSignal,
  drainMaxMs: number,
): Promise<FinishedReplay[]> {
  const finished: FinishedReplay[] = [];
  const all = letters.map(async ({ id, message }) => {
    try {
      finished.push(finishedReplay(id, await replay(message)));
    } catch (cause) {
      // The pipeline was ended: the letter is as it was.
      log.info({ letter: id, reason: messageOf(cause) }, 'a dead letter was not replayed');
    }
  });
  await withPatience(Promise.all(all), stopping, drainMaxMs);
  return [...finished];
}

/** Waits for some work, but from the signal on no longer than so many milliseconds. */
function withPatience(work: Promise<unknown>, signal: AbortSignal, maxMs: number): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const hurry = () => {
      timer = setTimeout(resolve, maxMs);
    };
    if (signal.aborted) hurry();
    else signal.addEventListener('abort', hurry, { once: true });
    void work.finally(() => {
      signal.removeEventListener('abort', hurry);
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Extends a claim for as long as it is worked on: a database that is away for minutes must not make it another's. */
function keepClaimed(queue: ReplayQueue, ids: readonly number[], log: Log): () => void {
  const timer = setInterval(() => {
    queue.extend(ids).catch((cause: unknown) => {
      log.debug({ reason: messageOf(cause) }, 'a claim on dead letters could not be extended');
    });
  }, queue.leaseMs / 3);
  timer.unref();
  return () => clearInterval(timer);
}

function tell(log: Log, finished: readonly FinishedReplay[]): void {
  const counts: Partial<Record<ReplayOutcome, number>> = {};
  for (const { outcome } of finished) counts[outcome] = (counts[outcome] ?? 0) + 1;
  if (finished.length > 0) log.info({ letters: counts }, 'dead letters replayed');
}
