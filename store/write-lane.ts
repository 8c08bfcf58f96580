// A lane of the writer: one connection's worth of work. Its jobs are written one after another, each whole or not at
// all, and tried again by the kind of its failure for as long as it takes; only rows that the database refuses are
// given back.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Writable } from '../sql/transaction.ts';
import { createFirstTimes } from './first-times.ts';
import { type ReadingBatch, ROW_OUTCOME, type WriteOutcome } from './readings.ts';
import { writeRows } from './write-batch.ts';
import {
  classifyFailure,
  codeOf,
  nextStep,
  stateAfter,
  type WriteFailure,
  type WritePath,
  type WriterState,
} from './write-failure.ts';

/** How long one attempt may take. */
export interface AttemptLimits {
  /** Then the lane says that it waits: for a lock, or for a server that does not answer. */
  readonly slowMs: number;
  /** Then its connection is given up, and another attempt made, which may take twice as long. */
  readonly deadlineMs: number;
}

/** A deadline is so much later for each row: what is large may take long. */
const DEADLINE_MS_A_ROW = 1;
const DEADLINE_MS_MAX = 3_600_000;

/** Or rows that take their time would be written up to the same deadline again and again. */
function laterDeadline(deadlineMs: number): number {
  return Math.max(deadlineMs, Math.min(deadlineMs * 2, DEADLINE_MS_MAX));
}

/** The part of a batch that is a lane's to write. */
export interface LaneJob {
  readonly batch: ReadingBatch;
  /** Which rows of the batch, in receipt order. */
  readonly rows: Int32Array;
  /** Where it is noted what becomes of the batch's rows: each lane writes to the places of its own. */
  readonly rowOutcomes: Uint8Array;
}

/** What became of a job's rows. */
export type LaneOutcome = Omit<WriteOutcome, 'rowOutcomes'>;

export interface Lane {
  /** Resolves once the job is committed; rejects with code `stopped` only. */
  write(job: LaneJob): Promise<LaneOutcome>;
  readonly state: WriterState;
  /**
   * The code of the failure that the state comes from, an SQLSTATE or a system's, or `slow`: an attempt that takes long.
   * Undefined while writing.
   */
  readonly trouble: string | undefined;
  /** Series whose first time is remembered. */
  readonly firstTimes: number;
  /** When what was under way has ended; the signal has to be aborted before. */
  ended(): Promise<void>;
}

export interface LaneOptions {
  readonly database: Writable;
  readonly log: Log;
  /** Ends all waiting between attempts. */
  readonly stopping: AbortSignal;
  readonly firstTimesMax: number;
  readonly limits: AttemptLimits;
  /** This process among those that append to the feed. */
  readonly feedWriter?: number | undefined;
  onFailure(failure: WriteFailure): void;
}

/** How often the same rows have been tried, for how long, and when again. */
interface Tries {
  readonly attempt: number;
  readonly sinceMs: number;
  readonly retryMs: number;
}

/** Makes a lane. */
export function createLane(options: LaneOptions): Lane {
  const { database, log, stopping, limits, feedWriter } = options;
  const firstTimes = createFirstTimes(options.firstTimesMax);
  let state: WriterState = 'writing';
  let trouble: string | undefined;
  // A COPY that fails costs as much as one that does not. Conflicts come in runs (a broker sends again what was not
  // acknowledged), so the job after a conflict looks first.
  let firstPath: WritePath = 'copy';
  let tail: Promise<unknown> = Promise.resolve();

  async function writeAll(job: LaneJob, path: WritePath): Promise<LaneOutcome> {
    const startedMs = performance.now();
    let deadlineMs = limits.deadlineMs + job.rows.length * DEADLINE_MS_A_ROW;
    for (let attempt = 1; ; attempt++) {
      try {
        const tally = await writeOnce({ ...job, deadlineMs }, path);
        enter('writing');
        firstPath = path === 'staging' && tally.inserted < job.rows.length ? 'staging' : 'copy';
        return { ...tally, refused: [] };
      } catch (cause) {
        const failure = classifyFailure(cause);
        options.onFailure(failure);
        const step = nextStep(failure, path, job.rows.length, attempt);
        if (step.kind === 'refuse') return refusal(job, cause);
        if (step.kind === 'split') return await writeHalves(job, path);
        const sinceMs = performance.now() - startedMs;
        report(failure, cause, { attempt, sinceMs, retryMs: step.afterMs });
        if (codeOf(cause) === 'ETIMEDOUT') deadlineMs = laterDeadline(deadlineMs);
        path = step.path;
        if (step.afterMs > 0) await pause(step.afterMs, cause);
      }
    }
  }

  async function writeOnce(job: LaneJob & { readonly deadlineMs: number }, path: WritePath) {
    const slow = setTimeout(saySlow, limits.slowMs);
    try {
      return await writeRows(database, { ...job, feedWriter }, path, firstTimes);
    } finally {
      clearTimeout(slow);
    }
  }

  async function writeHalves(job: LaneJob, path: WritePath): Promise<LaneOutcome> {
    const middle = job.rows.length >> 1;
    const older = await writeAll({ ...job, rows: job.rows.subarray(0, middle) }, path);
    return add(older, await writeAll({ ...job, rows: job.rows.subarray(middle) }, path));
  }

  function report(failure: WriteFailure, cause: unknown, tries: Tries): void {
    const next = stateAfter(failure, tries.attempt, tries.sinceMs);
    // What it was waiting for before may still be so: only what goes through says otherwise.
    if (next === 'writing') return;
    const code = codeOf(cause) ?? failure;
    const isKnown = state === next && trouble === code;
    enter(next, code);
    // Several times a second, these.
    if (isKnown && (failure === 'conflict' || failure === 'transient')) return;
    const level = next === 'paused' ? 'error' : 'warn';
    log[level]({ err: cause, failure, ...tries }, `writing is ${next}`);
  }

  function saySlow(): void {
    if (state !== 'writing') return;
    enter('waiting', 'slow');
    log.warn({ afterMs: limits.slowMs }, 'writing is waiting: an attempt takes long');
  }

  function enter(next: WriterState, code?: string): void {
    if (next === 'writing' && state !== 'writing') log.info('writing again');
    state = next;
    trouble = next === 'writing' ? undefined : code;
  }

  async function pause(afterMs: number, cause: unknown): Promise<void> {
    await sleep(afterMs, undefined, { signal: stopping }).catch(() => {
      throw stopped(cause);
    });
  }

  async function inTurn(job: LaneJob, before: Promise<unknown>): Promise<LaneOutcome> {
    await before;
    return await writeAll(job, firstPath);
  }

  return {
    write(job) {
      const outcome = inTurn(job, tail);
      tail = outcome.catch(() => undefined);
      return outcome;
    },
    get state() {
      return state;
    },
    get trouble() {
      return trouble;
    },
    get firstTimes() {
      return firstTimes.size;
    },
    async ended() {
      await tail;
    },
  };
}

/** What becomes of no rows. */
export const NOTHING_WRITTEN: LaneOutcome = {
  ...{ inserted: 0, duplicate: 0, corrected: 0, late: 0 },
  refused: [],
};

/** The outcome of two parts together; refused rows stay in the order of the parts. */
export function add(a: LaneOutcome, b: LaneOutcome): LaneOutcome {
  return {
    inserted: a.inserted + b.inserted,
    duplicate: a.duplicate + b.duplicate,
    corrected: a.corrected + b.corrected,
    late: a.late + b.late,
    refused: [...a.refused, ...b.refused],
  };
}

/** Of a job of one row. */
function refusal({ rows, rowOutcomes }: LaneJob, cause: unknown): LaneOutcome {
  const row = rows[0]!;
  rowOutcomes[row] = ROW_OUTCOME.refused;
  const code = codeOf(cause) ?? 'refused';
  return { ...NOTHING_WRITTEN, refused: [{ row, code, reason: messageOf(cause) }] };
}

/** The writer was stopped; `cause` is what it was waiting for to pass. */
export function stopped(cause?: unknown): TailraceError {
  return new TailraceError('stopped', 'The writer was stopped before this batch was stored.', {
    cause,
  });
}
