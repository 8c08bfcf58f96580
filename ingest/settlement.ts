// The way of a batch, top to bottom: create its series, COMMIT its readings, keep its dead letters, feed, acknowledge.
// Each step is tried until it succeeds, for nothing is acknowledged before all of it is through. Several batches are
// under way at a time; they are handed to the writer, fed and acknowledged in the order in which they were filled.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Feed, ReadingsRecord } from '../lib/feed/feed.ts';
import type { Log } from '../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../lib/metrics.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { ReadingBatch, WriteOutcome } from '../store/readings.ts';
import type { Series } from '../store/series.ts';
import { codeOf } from '../store/write-failure.ts';
import type { Batch, LetterDraft, WantedSeries } from './batch.ts';
import { deadLettersOf } from './dead-letters.ts';
import type { Fault } from './fault.ts';
import { toFeedRecord } from './feed-record.ts';
import type { FlushLimits } from './flush-rule.ts';
import type { AdmitSeries } from './guards/series-guard.ts';
import type { Ledger } from './ledger.ts';
import { tallyRows } from './message-outcome.ts';
import { kindChanged } from './reader.ts';
import type { FindSeries } from './series-lookup.ts';

export interface SettlementOptions {
  readonly catalogue: {
    readonly findByIdentity: FindSeries;
    ensure(wanted: readonly WantedSeries[]): Promise<readonly Series[]>;
  };
  readonly writer: { write(batch: ReadingBatch): Promise<WriteOutcome> };
  /** Commits dead letters. */
  insertDeadLetters(letters: readonly DeadLetter[]): Promise<void>;
  readonly feed: Pick<Feed, 'append'>;
  /** Which series may be created; all without it. */
  readonly admitSeries?: AdmitSeries;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Told that a step fails, with the failure's code, and that it succeeds again (undefined). */
  readonly onStep?: (step: string, trouble: string | undefined) => void;
}

/** Both reject only when the batch was given up on stopping. */
export interface Way {
  /** Resolves when its readings are committed, or refused by the database. */
  readonly committed: Promise<void>;
  /** Resolves when it is acknowledged, after all batches before it. */
  readonly acknowledged: Promise<void>;
}

/** Sends a batch on its way, behind those that were sent before it. */
export type Settle = (batch: Batch) => Way;

/** What the catalogue says of series that it will never create, after creating the others. */
const REFUSALS: readonly string[] = ['series_limit', 'series_unstorable'];

/** Pauses between attempts. */
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;

/** Tries a step until it succeeds. Ends by failing when the part below was stopped, or this one gives up. */
async function persist<T>(
  { log, giveUp, onStep }: Pick<SettlementOptions, 'log' | 'onStep'> & { giveUp: AbortSignal },
  step: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      const result = await attempt();
      if (failures > 0) log.info({ step, failures }, 'ingest: a step succeeds again');
      if (failures > 0) onStep?.(step, undefined);
      return result;
    } catch (cause) {
      if (cause instanceof TailraceError && cause.code === 'stopped') throw cause;
      if (failures === 0) {
        log.error(
          { err: cause, step },
          'ingest: a step fails and is tried again; nothing is acknowledged until then',
        );
      }
      onStep?.(step, codeOf(cause) ?? messageOf(cause));
      const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 16));
      await sleep(pauseMs, undefined, { signal: giveUp });
    }
  }
}

const admitAll: AdmitSeries = (wanted) => ({ admitted: wanted, refused: new Map() });

/** The steps of a batch's way, each with what it writes into the account. */
function createSteps(options: SettlementOptions, ledger: Ledger, giveUp: AbortSignal) {
  const { catalogue, writer, feed, metrics, log, admitSeries = admitAll } = options;
  const { onStep } = options;
  const persistence = { log, giveUp, ...(onStep === undefined ? {} : { onStep }) };
  const commitSeconds = metrics.histogram(
    'tailrace_ingest_commit_seconds',
    'time from a batch being ready to its COMMIT',
    DURATION_BUCKETS_S,
  );
  const late = metrics.counter(
    'tailrace_ingest_late_readings_total',
    'readings that came after their time was already rolled up',
  );

  return {
    async createSeries(batch: Batch): Promise<void> {
      if (batch.wanted.length === 0) return;
      const { admitted, refused } = admitSeries(batch.wanted);
      let refusal: Fault = {
        code: 'series_missing',
        reason: 'The series could not be created.',
      };
      await persist(persistence, 'create series', async () => {
        try {
          await catalogue.ensure(admitted);
        } catch (cause) {
          if (!(cause instanceof TailraceError && REFUSALS.includes(cause.code))) throw cause;
          refusal = { code: cause.code, reason: cause.message };
        }
      });
      batch.placeWanted((wanted) => {
        const series = catalogue.findByIdentity(wanted);
        if (series === undefined) return refused.get(wanted) ?? refusal;
        return series.kind === wanted.kind ? series.id : kindChanged(wanted, series.kind);
      });
    },

    async commit(batch: Batch, rows: ReadingBatch): Promise<ReadingsRecord> {
      const end = commitSeconds.startTimer();
      const outcome = await persist(persistence, 'commit', () => writer.write(rows));
      end();
      ledger.settle('inserted', outcome.inserted);
      ledger.settle('duplicate', outcome.duplicate);
      ledger.settle('corrected', outcome.corrected);
      late.inc(outcome.late);
      tallyRows(batch.tallies, rows, outcome.rowOutcomes);
      for (const refused of outcome.refused) batch.addLetter(refused, rows.messages[refused.row]);
      return toFeedRecord(rows, outcome);
    },

    /** Letters of a message whose outcome somebody waits for are told to them, and not kept. */
    async keepDeadLetters(batch: Batch): Promise<void> {
      if (batch.letterCount === 0) return;
      const kept: LetterDraft[] = [];
      for (const draft of batch.letters) {
        const tally = batch.tallies.get(draft.message);
        if (tally === undefined) kept.push(draft);
        else {
          tally.deadLettered += draft.readings;
          tally.faults.push({ code: draft.code, reason: draft.reason });
        }
      }
      if (kept.length > 0) {
        const letters = deadLettersOf(batch, kept);
        await persist(persistence, 'keep dead letters', () => options.insertDeadLetters(letters));
      }
      for (const draft of batch.letters) ledger.settle('dead_lettered', draft.readings);
    },

    /** A feed that takes nothing keeps no sender waiting: it knows that a gap is to come before its next record. */
    async tellFollowers(record: ReadingsRecord): Promise<void> {
      if (record.seriesIds.length === 0) return;
      await persist(persistence, 'feed', async () => {
        try {
          await feed.append(record);
        } catch (cause) {
          if (!(cause instanceof TailraceError && cause.code === 'feed_unavailable')) throw cause;
        }
      });
    },
  };
}

/**
 * Makes the way. A transaction takes `rowsMax` readings, and texts of `bytesMax`: a message with many texts can be
 * larger than what one COPY, or one record of the feed, can hold.
 */
export function createSettlement(
  options: SettlementOptions,
  ledger: Ledger,
  { rowsMax, bytesMax }: Pick<FlushLimits, 'rowsMax' | 'bytesMax'>,
  giveUp: AbortSignal,
): Settle {
  const steps = createSteps(options, ledger, giveUp);
  // Of the batch before: its series are created, the writer has all of it, it is acknowledged.
  let created: Promise<unknown> = Promise.resolve();
  let handedOver: Promise<unknown> = Promise.resolve();
  let finished: Promise<unknown> = Promise.resolve();

  /** Writes a batch; `onLast` is called when the writer has all of it. */
  async function write(batch: Batch, onLast: () => void): Promise<ReadingsRecord[]> {
    const records: ReadingsRecord[] = [];
    let start = 0;
    do {
      const end = batch.viewEnd(start, rowsMax, bytesMax);
      const record = end > start ? steps.commit(batch, batch.view(start, end)) : undefined;
      if (end === batch.rows) onLast();
      if (record !== undefined) records.push(await record);
      start = end;
    } while (start < batch.rows);
    return records;
  }

  async function finish(batch: Batch, records: readonly ReadingsRecord[]): Promise<void> {
    await steps.keepDeadLetters(batch);
    for (const record of records) await steps.tellFollowers(record);
    for (const acknowledge of batch.acknowledgements) acknowledge();
  }

  return (batch) => {
    // Two batches that want the same new series: the second finds it created.
    created = inTurn([created], () => steps.createSeries(batch));
    const { promise: handed, open, fail } = gate();
    const records = inTurn([created, handedOver], () => write(batch, open));
    records.catch(fail);
    handedOver = handed;
    const acknowledged = inTurn([records, finished], async () => finish(batch, await records));
    finished = acknowledged;
    return { committed: records.then(() => {}), acknowledged };
  };
}

/** Does some work after others; fails as they do. Nobody need listen: the last of a way is what is listened to. */
function inTurn<T>(before: readonly Promise<unknown>[], work: () => Promise<T>): Promise<T> {
  const done = Promise.all(before).then(work);
  done.catch(() => {});
  return done;
}

/** A promise with the ways to settle it; nobody need listen to its failure. */
function gate() {
  let open = () => {};
  let fail = (_cause: unknown) => {};
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  promise.catch(() => {});
  return { promise, open, fail };
}
