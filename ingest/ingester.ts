// The ingester: takes messages from any source, collects what they hold, and sends it on its way in batches. While one
// batch is on its way the next one fills; when that is full too, sources are asked to wait.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { InboundMessage, MessageHandler } from '../lib/mqtt/message.ts';
import { createBatch } from './batch.ts';
import { decodePayload } from './decode/decode.ts';
import { exposeBatch, exposeLedger } from './exposed.ts';
import {
  FLUSH_LIMITS,
  type FlushLimits,
  isDue,
  isFull,
  isWindow,
  type LastSizes,
} from './flush-rule.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { emptyOutcome, type MessageOutcome, type OutcomeTally } from './message-outcome.ts';
import { createMessageReader, type MessageReader } from './reader.ts';
import { createSeriesLookup } from './series-lookup.ts';
import { createSettlement, type SettlementOptions } from './settlement.ts';
import { DEFAULT_RULES, fixedRules, type LiveTopicRules } from './topics/rules.ts';

export interface IngesterOptions extends SettlementOptions {
  readonly clock: Clock;
  readonly limits?: Partial<FlushLimits>;
  /** The default rule, unless given. */
  readonly topicRules?: LiveTopicRules;
  /** How long `stop` waits for what was received; what is not acknowledged by then is sent again by the broker. */
  readonly drainMaxMs?: number;
}

export interface Ingester extends Part {
  readonly handle: MessageHandler;
  /**
   * Takes a message that was kept as a dead letter the same way again, and says what became of it once its readings are
   * committed and fed. It counts as received again. What of it fails again is told, not kept as another letter. Rejects
   * with TailraceError `stopped` where stopping came first: some of it may be committed, and comes as duplicates when
   * it is replayed again.
   */
  replay(message: InboundMessage): Promise<MessageOutcome>;
}

const DRAIN_MAX_MS = 10_000;

/** Starts an ingester. Sources give their messages to `handle`, and are stopped before it is. */
export function createIngester(options: IngesterOptions): Ingester {
  const limits: FlushLimits = { ...FLUSH_LIMITS, ...options.limits };
  const ledger = createLedger();
  const giveUp = new AbortController();
  const read = createReader(options, ledger);
  const settle = createSettlement(options, ledger, limits.rowsMax, giveUp.signal);

  let filling = createBatch();
  let spare = createBatch();
  let onItsWay: Promise<void> | undefined;
  let openedMs = 0;
  let arrivals = 0;
  let arrivalsBefore = 0;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let lastSizes: LastSizes = [0, 0];
  let room = createGate();
  exposeLedger(options.metrics, ledger);
  exposeBatch(options.metrics, limits, () => filling);

  /** Sends the filling batch on its way, and starts an empty one. */
  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const batch = filling;
    filling = spare;
    lastSizes = [batch.messages.length, lastSizes[0]];
    room.open();
    room = createGate();
    ended ||= !(await isThrough(settle(batch), options.log));
    batch.clear();
    spare = batch;
    onItsWay = undefined;
    if (filling.messages.length > 0) consider();
  }

  /** Flushes a full batch, or one that is all that can come, at once; any other when it is due. */
  function consider(): void {
    if (onItsWay !== undefined || ended) return;
    if (isFull(filling, limits) || isWindow(filling.messages.length, lastSizes)) {
      onItsWay = flush();
    } else if (timer === undefined) {
      arrivalsBefore = arrivals;
      timer = setTimeout(tick, limits.quietMs);
    }
  }

  function tick(): void {
    timer = undefined;
    if (onItsWay !== undefined || ended) return;
    const ageMs = options.clock() - openedMs;
    if (isDue({ ageMs, arrivals, arrivalsBefore }, limits)) onItsWay = flush();
    else consider();
  }

  async function drain(): Promise<void> {
    while (!ended && (onItsWay !== undefined || filling.messages.length > 0)) {
      onItsWay ??= flush();
      await onItsWay;
    }
  }

  async function stop(): Promise<void> {
    await settledWithin(drain(), options.drainMaxMs ?? DRAIN_MAX_MS);
    ended = true;
    giveUp.abort();
    clearTimeout(timer);
  }

  function take(
    message: InboundMessage,
    acknowledge: () => void,
    tally?: OutcomeTally,
  ): Promise<void> | undefined {
    if (ended) return new Promise(() => {});
    if (filling.messages.length === 0) openedMs = options.clock();
    arrivals++;
    read(filling, message, acknowledge, tally);
    consider();
    return isFull(filling, limits) ? room.passed : undefined;
  }

  let stopped: Promise<void> | undefined;
  return {
    name: 'ingester',
    handle: (message, acknowledge) => take(message, acknowledge),
    async replay(message) {
      while (!ended && isFull(filling, limits)) await room.passed;
      return replayed(giveUp.signal, (settled, tally) => {
        void take(message, settled, tally);
      });
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function createReader(options: IngesterOptions, ledger: Ledger): MessageReader {
  const { catalogue, metrics, topicRules = fixedRules(DEFAULT_RULES) } = options;
  const lookup = createSeriesLookup(catalogue.findByIdentity, topicRules, metrics);
  return createMessageReader(lookup, decodePayload, ledger);
}

/** Only stopping ends a batch's way early; its messages stay with their sender, unacknowledged. */
async function isThrough(way: Promise<void>, log: Log): Promise<boolean> {
  try {
    await way;
    return true;
  } catch (cause) {
    log.warn({ reason: messageOf(cause) }, 'ingest: ended before a batch was through');
    return false;
  }
}

/** Starts a replay; resolves with its outcome when it is settled, rejects when `giveUp` comes first. */
function replayed(
  giveUp: AbortSignal,
  start: (settled: () => void, tally: OutcomeTally) => void,
): Promise<MessageOutcome> {
  return new Promise((resolve, reject) => {
    const stop = () =>
      reject(
        new TailraceError('stopped', 'The ingester was stopped before the replay was through.'),
      );
    if (giveUp.aborted) return stop();
    giveUp.addEventListener('abort', stop, { once: true });
    const tally = emptyOutcome();
    start(() => {
      giveUp.removeEventListener('abort', stop);
      resolve(tally);
    }, tally);
  });
}

/** Waits for some work, but no longer than so many milliseconds. */
async function settledWithin(work: Promise<void>, maxMs: number): Promise<void> {
  const inTime = new AbortController();
  const deadline = sleep(maxMs, undefined, { signal: inTime.signal }).catch(() => {});
  await Promise.race([work, deadline]);
  inTime.abort();
}

/** A promise with the way to fulfil it. */
function createGate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
