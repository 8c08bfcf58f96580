// The ingester: takes messages from any source, collects what they hold, and sends it on its way in batches. While one
// batch is on its way the next one fills; when that is full too, sources are asked to wait.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { MessageHandler } from '../lib/mqtt/message.ts';
import { type Batch, createBatch } from './batch.ts';
import { decodePayload } from './decode/decode.ts';
import {
  FLUSH_LIMITS,
  type FlushLimits,
  isDue,
  isFull,
  isWindow,
  type LastSizes,
} from './flush-rule.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createMessageReader } from './reader.ts';
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
}

const DRAIN_MAX_MS = 10_000;

/** Starts an ingester. Sources give their messages to `handle`, and are stopped before it is. */
export function createIngester(options: IngesterOptions): Ingester {
  const limits: FlushLimits = { ...FLUSH_LIMITS, ...options.limits };
  const ledger = createLedger();
  const giveUp = new AbortController();
  const { topicRules = fixedRules(DEFAULT_RULES) } = options;
  const lookup = createSeriesLookup(options.catalogue.findByIdentity, topicRules, options.metrics);
  const read = createMessageReader(lookup, decodePayload, ledger);
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
    try {
      await settle(batch);
    } catch (cause) {
      // Only stopping ends a batch's way; its messages stay with their sender, unacknowledged.
      ended = true;
      options.log.warn({ reason: messageOf(cause) }, 'ingest: ended before a batch was through');
    }
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

  let stopped: Promise<void> | undefined;
  return {
    name: 'ingester',
    handle(message, acknowledge) {
      if (ended) return new Promise(() => {});
      if (filling.messages.length === 0) openedMs = options.clock();
      arrivals++;
      read(filling, message, acknowledge);
      consider();
      return isFull(filling, limits) ? room.passed : undefined;
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
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

function exposeLedger(metrics: Metrics, ledger: Ledger): void {
  metrics.counted(
    'tailrace_ingest_readings_total',
    'readings by what became of them; received is the sum of the others and of those in flight',
    'outcome',
    () => ledger.totals(),
  );
  metrics.gauge(
    'tailrace_ingest_in_flight',
    'readings that were received and are not settled yet',
    () => ledger.inFlight,
  );
}

function exposeBatch(metrics: Metrics, limits: FlushLimits, filling: () => Batch): void {
  metrics.bounded('ingest_batch_rows', () => filling().rows, limits.rowsMax);
  metrics.bounded('ingest_batch_bytes', () => filling().bytes, limits.bytesMax);
}
