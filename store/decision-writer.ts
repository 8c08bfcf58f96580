// Moves waiting decisions into their table, one batch at a time, and gives way to others in between.
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type DecisionRow, insertDecisions } from '../sql/statements/insertDecisions.ts';
import type { Writable } from '../sql/transaction.ts';
import { withClient } from '../sql/transaction.ts';
import { batchOf, gapRow } from './decision-batch.ts';
import type { DecisionQueue, Recordable } from './decision-queue.ts';
import { classifyFailure } from './write-failure.ts';

export interface DecisionWriter {
  /** Something was queued, or lost. Cheap: the first of a batch sets a timer, the others do nothing. */
  wake(): void;
  /** Resolves when what is queued now is written or lost, or after so many ms. */
  flush(timeoutMs: number): Promise<void>;
  /** Writes what is queued, for so many ms, and ends. */
  close(timeoutMs: number): Promise<void>;
  isOpen(): boolean;
}

export interface DecisionWriterOptions<D> {
  readonly database: Writable & { readonly embedded: boolean };
  readonly log: Log;
  readonly rowOf: (decision: D) => DecisionRow;
  readonly onLost: (count: number) => void;
}

/** Rows of a statement: making them takes 5 ms, and the embedded engine's session is held for some 25 ms. */
const BATCH_ROWS_MAX = 250;
/** The oldest decision waits so long for others. */
const AGE_MAX_MS = 500;
/** Embedded, after each batch others have the session for so many times as long as the batch took. */
const EMBEDDED_REST = 3;
const RETRY_MS = { open: 1_000, closing: 100 } as const;

/** One batch at a time; `waiting` says for what. */
type State =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'waiting';
      readonly for: 'age' | 'rest' | 'retry';
      readonly timer: NodeJS.Timeout;
    }
  | { readonly kind: 'writing' }
  | { readonly kind: 'closed' };

/** How the writing of a batch ended, and how large the next one may be. */
type Outcome =
  | { readonly kind: 'written'; readonly tookMs: number; readonly rowsMax: number }
  /** Some row holds what the table does not take. */
  | { readonly kind: 'refused'; readonly rowsMax: number }
  | { readonly kind: 'failed'; readonly cause: unknown };

interface Waiter {
  /** Resolved when so many of the decisions ever taken in are written or lost. */
  readonly upTo: number;
  readonly resolve: () => void;
}

/** Writes one batch. Never throws. */
async function writeBatch<D extends Recordable>(
  queue: DecisionQueue<D>,
  rowsMax: number,
  { database, log, rowOf, onLost }: DecisionWriterOptions<D>,
): Promise<Outcome> {
  const sinceMs = performance.now();
  const gaps = queue.takeGaps(rowsMax);
  const { rows, taken, unwritable } = batchOf(queue.oldest(rowsMax), rowOf);
  try {
    const all = [...rows, ...gaps.map((gap) => JSON.stringify(gapRow(gap)))];
    if (all.length > 0) await withClient(database, (client) => insertDecisions(client, all));
  } catch (cause) {
    queue.putBack(gaps);
    if (classifyFailure(cause) !== 'bad_row' || taken === 0) return { kind: 'failed', cause };
    // The batch is halved until the bad row stands alone.
    if (taken > 1) return { kind: 'refused', rowsMax: taken >> 1 };
    unwritable.push(...queue.oldest(1));
    log.error({ reason: messageOf(cause) }, 'a decision could not be recorded');
  }
  queue.drop(taken);
  for (const decision of unwritable) queue.lose(decision);
  if (unwritable.length > 0) onLost(unwritable.length);
  const next = Math.min(BATCH_ROWS_MAX, rowsMax * 2);
  return { kind: 'written', tookMs: performance.now() - sinceMs, rowsMax: next };
}

/** Makes the writer of a queue. */
export function createDecisionWriter<D extends Recordable>(
  queue: DecisionQueue<D>,
  options: DecisionWriterOptions<D>,
): DecisionWriter {
  const { database, log, onLost } = options;
  const waiters = new Set<Waiter>();
  let state: State = { kind: 'idle' };
  let isClosing = false;
  let rowsMax = BATCH_ROWS_MAX;
  let isFailing = false;
  const isEmpty = () => queue.size === 0 && queue.gaps === 0;

  function wait(reason: 'age' | 'rest' | 'retry', ms: number): void {
    state = { kind: 'waiting', for: reason, timer: setTimeout(() => void run(), ms) };
  }

  async function run(): Promise<void> {
    state = { kind: 'writing' };
    const outcome = await writeBatch(queue, rowsMax, options);
    const done = queue.taken - queue.size;
    for (const waiter of waiters) if (waiter.upTo <= done) waiter.resolve();
    if (outcome.kind !== 'failed') rowsMax = outcome.rowsMax;
    tell(outcome);
    // Whoever closes does not wait for ever for a batch in hand.
    if (!isClosed(state)) follow(outcome);
  }

  function tell(outcome: Outcome): void {
    if (outcome.kind === 'failed' && !isFailing) {
      log.warn({ reason: messageOf(outcome.cause) }, 'decisions wait to be recorded');
    }
    if (outcome.kind === 'written' && isFailing) log.info('decisions are recorded again');
    isFailing = outcome.kind === 'failed';
  }

  function follow(outcome: Outcome): void {
    if (isEmpty()) {
      state = { kind: 'idle' };
    } else if (outcome.kind === 'failed') {
      wait('retry', isClosing ? RETRY_MS.closing : RETRY_MS.open);
    } else if (isClosing || outcome.kind === 'refused') {
      wait('rest', 0);
    } else {
      const restMs = database.embedded ? outcome.tookMs * EMBEDDED_REST : 0;
      if (queue.size >= BATCH_ROWS_MAX || waiters.size > 0) wait('rest', restMs);
      else wait('age', Math.max(AGE_MAX_MS, restMs));
    }
  }

  /** Ends the waiting for more decisions, but neither the rest that others have nor the pause after a failure. */
  function hurry(): void {
    if (state.kind !== 'waiting' || (state.for !== 'age' && !isClosing)) return;
    clearTimeout(state.timer);
    wait('rest', 0);
  }

  function flush(timeoutMs: number): Promise<void> {
    if (isEmpty()) return Promise.resolve();
    hurry();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        waiters.delete(waiter);
        resolve();
      };
      const waiter: Waiter = { upTo: queue.taken, resolve: end };
      const timer = setTimeout(end, timeoutMs);
      waiters.add(waiter);
    });
  }

  async function close(timeoutMs: number): Promise<void> {
    isClosing = true;
    await flush(timeoutMs);
    if (state.kind === 'waiting') clearTimeout(state.timer);
    state = { kind: 'closed' };
    const left = queue.size;
    if (left === 0) return;
    onLost(left);
    log.warn({ decisions: left }, 'stopped before all decisions were recorded');
  }

  return {
    flush,
    close,
    isOpen: () => !isClosing,
    wake() {
      if (state.kind === 'idle') wait('age', AGE_MAX_MS);
      else if (queue.size === BATCH_ROWS_MAX) hurry();
    },
  };
}

function isClosed(state: State): boolean {
  return state.kind === 'closed';
}
