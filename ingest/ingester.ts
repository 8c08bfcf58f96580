// The ingester: takes messages from any source, collects what they hold, and sends it on its way in batches. While
// batches are on their way the next one fills; when too much is under way, sources are asked to wait.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { InboundMessage, MessageHandler } from '../lib/mqtt/message.ts';
import { createPayloadDecoder } from './decode/decode.ts';
import { exposeLedger, exposePipeline } from './exposed.ts';
import { createFilling } from './filling.ts';
import { FLUSH_LIMITS, type FlushLimits } from './flush-rule.ts';
import type { ReadingsQuota } from './guards/readings-quota.ts';
import { createLedger } from './ledger.ts';
import { emptyOutcome, type MessageOutcome, type OutcomeTally } from './message-outcome.ts';
import { createMessageReader } from './reader.ts';
import { createSchedule } from './schedule.ts';
import { createSeriesLookup } from './series-lookup.ts';
import { createSettlement, type SettlementOptions } from './settlement.ts';
import { DEFAULT_RULES, fixedRules, type LiveTopicRules } from './topics/rules.ts';
import { createTraffic } from './traffic.ts';

export interface IngesterOptions extends SettlementOptions {
  readonly clock: Clock;
  readonly limits?: Partial<FlushLimits>;
  /** How much may be received and not acknowledged before sources are asked to wait. */
  readonly bytesMax?: number;
  /** How much a tenant may send; whatever it likes without it. */
  readonly quota?: ReadingsQuota;
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
  /**
   * Resolves with the cause when a batch failed in a way that trying again does not mend, a mistake of the program:
   * nothing is taken or acknowledged from then on, so the process has to end for senders to send it again.
   */
  readonly failed: Promise<unknown>;
  /** Whether all that was begun is committed, fed and acknowledged. */
  readonly isThrough: boolean;
}

const DRAIN_MAX_MS = 10_000;
const BYTES_MAX = 64 * 1024 * 1024;

/** Starts an ingester. Sources give their messages to `handle`, and are stopped before it is. */
export function createIngester(options: IngesterOptions): Ingester {
  const { catalogue, metrics, log, clock, quota } = options;
  const { topicRules = fixedRules(DEFAULT_RULES), bytesMax = BYTES_MAX } = options;
  const limits: FlushLimits = { ...FLUSH_LIMITS, ...options.limits };
  const ledger = createLedger();
  const giveUp = new AbortController();
  const failure = createFailure(log, giveUp);
  // Every replay that waits listens.
  setMaxListeners(0, giveUp.signal);
  const lookup = createSeriesLookup(catalogue.findByIdentity, topicRules, metrics);
  const settle = createSettlement(options, ledger, limits, giveUp.signal);
  const filling = createFilling(
    createMessageReader(createPayloadDecoder(), ledger),
    limits,
    clock,
    quota,
  );
  const traffic = createTraffic(bytesMax, () => filling.bytes);
  const schedule = createSchedule({ filling, traffic, limits, clock, send });
  exposeLedger(metrics, ledger);
  exposePipeline(metrics, { limits, filling, traffic, bytesMax });

  /** Sends what is filling on its way; another batch is filling when this returns. */
  function send(): void {
    const batch = filling.swap();
    const startedMs = clock();
    const { rows, bytes } = batch;
    traffic.begin(bytes);
    const { committed, acknowledged } = settle(batch);
    const onCommitted = () => {
      filling.noteCommit(rows, clock() - startedMs);
      traffic.commit();
      schedule.consider();
    };
    const onAcknowledged = () => {
      filling.giveBack(batch);
      traffic.finish(bytes);
      schedule.consider();
    };
    const onEnded = (cause: unknown) => {
      // What is not acknowledged stays with its sender.
      if (traffic.end()) failure.ended(cause);
    };
    committed.then(onCommitted, () => {});
    acknowledged.then(onAcknowledged, onEnded);
  }

  function take(message: InboundMessage, acknowledge: () => void, tally?: OutcomeTally) {
    if (traffic.ended) return new Promise<void>(() => {});
    const topic = lookup.topic(message.topic);
    const overMs = quota === undefined ? 0 : quota.waitMs(topic.tenant);
    // Who published it can be asked to wait, and so can who replays it.
    const patient = overMs > 0 && (message.publisher !== undefined || tally !== undefined);
    const fault = overMs > 0 && !patient ? quota?.exceeded : undefined;
    const more = tally === undefined && fault === undefined ? undefined : { tally, fault };
    filling.add(topic, message, acknowledge, more);
    schedule.arrived();
    schedule.consider();
    const room = traffic.room();
    if (!patient) return room;
    return Promise.all([room, pause(overMs, giveUp.signal)]).then(() => {});
  }

  async function stop(): Promise<void> {
    schedule.hurry();
    await settledWithin(traffic.drained(), options.drainMaxMs ?? DRAIN_MAX_MS);
    traffic.end();
    giveUp.abort();
    schedule.stop();
  }

  let stopped: Promise<void> | undefined;
  return {
    name: 'ingester',
    handle: (message, acknowledge) => take(message, acknowledge),
    async replay(message) {
      await traffic.room();
      return replayed(giveUp.signal, (settled, tally) => {
        void take(message, settled, tally);
      });
    },
    failed: failure.raised,
    get isThrough() {
      return traffic.batches === 0;
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Tells a batch that ended because a part below was stopped first from one that failed by a mistake. */
function createFailure(log: Log, giveUp: AbortController) {
  let raise = (_cause: unknown) => {};
  const raised = new Promise<unknown>((resolve) => {
    raise = resolve;
  });
  return {
    raised,
    ended(cause: unknown): void {
      if (cause instanceof TailraceError && cause.code === 'stopped') {
        log.warn({ reason: cause.message }, 'ingest: ended before a batch was through');
        return;
      }
      log.error({ err: cause }, 'ingest: a batch can never get through, nothing is taken any more');
      giveUp.abort();
      raise(cause);
    },
  };
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

/** Waits so long, or until it is given up. */
async function pause(ms: number, giveUp: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: giveUp }).catch(() => {});
}
