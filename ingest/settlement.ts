// The way of a batch, top to bottom: create its series, COMMIT its readings, keep its dead letters, feed, acknowledge.
// Each step is tried until it succeeds, for nothing is acknowledged before all of it is through.
import { setTimeout as sleep } from 'node:timers/promises';
import { TailraceError } from '../lib/errors.ts';
import type { Feed, ReadingsRecord } from '../lib/feed/feed.ts';
import type { Log } from '../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../lib/metrics.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { ReadingBatch, WriteOutcome } from '../store/readings.ts';
import type { Series } from '../store/series.ts';
import type { Batch, LetterDraft, WantedSeries } from './batch.ts';
import { deadLettersOf } from './dead-letters.ts';
import type { Fault } from './fault.ts';
import { toFeedRecord } from './feed-record.ts';
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
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Takes a batch all its way. Rejects only when it was given up on stopping. */
export type Settle = (batch: Batch) => Promise<void>;

/** What the catalogue says of series that it will never create, after creating the others. */
const REFUSALS: readonly string[] = ['series_limit', 'series_unstorable'];

/** Pauses between attempts. */
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;

/** Tries a step until it succeeds. Ends by failing when the part below was stopped, or this one gives up. */
async function persist<T>(
  { log, giveUp }: { log: Log; giveUp: AbortSignal },
  step: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      const result = await attempt();
      if (failures > 0) log.info({ step, failures }, 'ingest: a step succeeds again');
      return result;
    } catch (cause) {
      if (cause instanceof TailraceError && cause.code === 'stopped') throw cause;
      if (failures === 0) {
        log.error(
          { err: cause, step },
          'ingest: a step fails and is tried again; nothing is acknowledged until then',
        );
      }
      const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 16));
      await sleep(pauseMs, undefined, { signal: giveUp });
    }
  }
}

/** The steps of a batch's way, each with what it writes into the account. */
function createSteps(options: SettlementOptions, ledger: Ledger, giveUp: AbortSignal) {
  const { catalogue, writer, feed, metrics, log } = options;
  const persistence = { log, giveUp };
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
      let refusal: Fault = {
        code: 'series_missing',
        reason: 'The series could not be created.',
      };
      await persist(persistence, 'create series', async () => {
        try {
          await catalogue.ensure(batch.wanted);
        } catch (cause) {
          if (!(cause instanceof TailraceError && REFUSALS.includes(cause.code))) throw cause;
          refusal = { code: cause.code, reason: cause.message };
        }
      });
      batch.placeWanted((wanted) => {
        const series = catalogue.findByIdentity(wanted);
        if (series === undefined) return refusal;
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

    async tellFollowers(record: ReadingsRecord): Promise<void> {
      if (record.seriesIds.length === 0) return;
      await persist(persistence, 'feed', () => feed.append(record));
    },
  };
}

/** Makes the way; `rowsMax` readings go into one transaction. */
export function createSettlement(
  options: SettlementOptions,
  ledger: Ledger,
  rowsMax: number,
  giveUp: AbortSignal,
): Settle {
  const steps = createSteps(options, ledger, giveUp);
  return async (batch) => {
    await steps.createSeries(batch);
    const records: ReadingsRecord[] = [];
    for (let start = 0; start < batch.rows; start += rowsMax) {
      const rows = batch.view(start, Math.min(start + rowsMax, batch.rows));
      records.push(await steps.commit(batch, rows));
    }
    await steps.keepDeadLetters(batch);
    for (const record of records) await steps.tellFollowers(record);
    for (const acknowledge of batch.acknowledgements) acknowledge();
  };
}
