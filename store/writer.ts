// The writer: a batch is written whole or not at all, tried again by the kind of its failure for as long as it takes,
// and only rows that the database refuses are given back. Batches are written one after another, so that the last one
// received is the last one committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Writable } from '../sql/transaction.ts';
import { createFirstTimes } from './first-times.ts';
import { type ReadingBatch, ROW_OUTCOME, type WriteOutcome } from './readings.ts';
import { type WriteTally, writeRows } from './write-batch.ts';
import {
  classifyFailure,
  codeOf,
  nextStep,
  type WriteFailure,
  type WritePath,
} from './write-failure.ts';

/** Series whose first time is remembered: 16 MB or so. */
const FIRST_TIMES_MAX = 200_000;
/** Batches that may wait for the one before them. The ingester bounds their size. */
const QUEUE_MAX = 64;

/**
 * `writing`: the last attempt went through. `waiting`: the database cannot be reached just now. `paused`: it answers,
 * and takes no writes (full, read-only, or something unknown); an operator has to look.
 */
export type WriterState = 'writing' | 'waiting' | 'paused';

export interface Writer {
  /**
   * Stores a batch and resolves once it is committed. Retries until `stop`, then rejects with code `stopped`; what it
   * rejects was not acknowledged, so its sender sends it again.
   */
  write(batch: ReadingBatch): Promise<WriteOutcome>;
  readonly state: WriterState;
  /** Lets the attempt that is under way finish; ends all waiting. */
  stop(): Promise<void>;
}

export interface WriterOptions {
  readonly database: Writable;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A batch under way, and where it is noted what becomes of its rows. */
interface Job {
  readonly batch: ReadingBatch;
  readonly rowOutcomes: Uint8Array;
}

const STATE_OF: Record<WriteFailure, WriterState> = {
  conflict: 'writing',
  transient: 'writing',
  bad_row: 'writing',
  unavailable: 'waiting',
  exhausted: 'paused',
  unknown: 'paused',
};

/** Makes a writer on one of the database's writing connections. */
export function createWriter({ database, log, metrics }: WriterOptions): Writer {
  const firstTimes = createFirstTimes(FIRST_TIMES_MAX);
  const stopping = new AbortController();
  let state: WriterState = 'writing';
  // A COPY that fails costs as much as one that does not. Conflicts come in runs (a broker sends again what was not
  // acknowledged), so the batch after a conflict looks first.
  let firstPath: WritePath = 'copy';
  let queued = 0;
  let tail: Promise<unknown> = Promise.resolve();
  const failures = metrics.counter('tailrace_writer_failures_total', 'failed attempts to write', [
    'failure',
  ]);
  metrics.gauge('tailrace_writer_paused', '1 while the database takes no writes', () =>
    state === 'writing' ? 0 : 1,
  );
  metrics.bounded('writer_queue', () => queued, QUEUE_MAX);
  metrics.bounded('writer_first_times', () => firstTimes.size, FIRST_TIMES_MAX);

  async function writeAll(job: Job, rows: Int32Array, path: WritePath): Promise<WriteOutcome> {
    const { batch, rowOutcomes } = job;
    for (let attempt = 1; ; attempt++) {
      try {
        const tally = await writeRows(database, batch, rows, path, firstTimes, rowOutcomes);
        enter('writing');
        firstPath = path === 'staging' && tally.inserted < rows.length ? 'staging' : 'copy';
        return { ...tally, rowOutcomes, refused: [] };
      } catch (cause) {
        const failure = classifyFailure(cause);
        failures.inc({ failure });
        const step = nextStep(failure, path, rows.length, attempt);
        if (step.kind === 'refuse') return refusal(rows[0]!, cause, rowOutcomes);
        if (step.kind === 'split') return await writeHalves(job, rows, path);
        report(failure, cause, attempt, step.afterMs);
        path = step.path;
        if (step.afterMs > 0) await pause(step.afterMs, cause);
      }
    }
  }

  async function writeHalves(job: Job, rows: Int32Array, path: WritePath): Promise<WriteOutcome> {
    const middle = rows.length >> 1;
    const older = await writeAll(job, rows.subarray(0, middle), path);
    return add(older, await writeAll(job, rows.subarray(middle), path));
  }

  function report(failure: WriteFailure, cause: unknown, attempt: number, afterMs: number): void {
    const next = STATE_OF[failure];
    enter(next);
    if (next === 'writing') return;
    const level = next === 'paused' ? 'error' : 'warn';
    log[level]({ err: cause, failure, attempt, retryMs: afterMs }, `writing is ${next}`);
  }

  function enter(next: WriterState): void {
    if (next === 'writing' && state !== 'writing') log.info('writing again');
    state = next;
  }

  async function pause(afterMs: number, cause: unknown): Promise<void> {
    await sleep(afterMs, undefined, { signal: stopping.signal }).catch(() => {
      throw stopped(cause);
    });
  }

  async function inTurn(batch: ReadingBatch, before: Promise<unknown>): Promise<WriteOutcome> {
    await before;
    try {
      const rowOutcomes = new Uint8Array(batch.rows);
      if (batch.rows === 0) return { ...EMPTY, rowOutcomes, refused: [] };
      const rows = Int32Array.from({ length: batch.rows }, (_, row) => row);
      return await writeAll({ batch, rowOutcomes }, rows, firstPath);
    } finally {
      queued--;
    }
  }

  return {
    write(batch) {
      if (stopping.signal.aborted) return Promise.reject(stopped());
      if (queued >= QUEUE_MAX) return Promise.reject(queueFull());
      queued++;
      const outcome = inTurn(batch, tail);
      tail = outcome.catch(() => undefined);
      return outcome;
    },
    get state() {
      return state;
    },
    async stop() {
      stopping.abort();
      await tail;
    },
  };
}

const EMPTY: WriteTally = { inserted: 0, duplicate: 0, corrected: 0, late: 0 };

function refusal(row: number, cause: unknown, rowOutcomes: Uint8Array): WriteOutcome {
  const code = codeOf(cause) ?? 'refused';
  rowOutcomes[row] = ROW_OUTCOME.refused;
  return { ...EMPTY, rowOutcomes, refused: [{ row, code, reason: messageOf(cause) }] };
}

function add(a: WriteOutcome, b: WriteOutcome): WriteOutcome {
  return {
    inserted: a.inserted + b.inserted,
    duplicate: a.duplicate + b.duplicate,
    corrected: a.corrected + b.corrected,
    late: a.late + b.late,
    refused: [...a.refused, ...b.refused],
    rowOutcomes: a.rowOutcomes,
  };
}

function stopped(cause?: unknown): TailraceError {
  return new TailraceError('stopped', 'The writer was stopped before this batch was stored.', {
    cause,
  });
}

function queueFull(): TailraceError {
  return new TailraceError(
    'writer_queue_full',
    `${QUEUE_MAX} batches wait to be written already: await one before giving the next.`,
  );
}
