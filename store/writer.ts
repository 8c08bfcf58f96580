// The writer: takes batches and has its lanes write them, each the series that are its own. A batch is through when all
// lanes have committed their part of it; each of them tries again by itself for as long as it takes.
import { TailraceError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Writable } from '../sql/transaction.ts';
import { partitionRows } from './partition-rows.ts';
import type { ReadingBatch, WriteOutcome } from './readings.ts';
import type { WriterState } from './write-failure.ts';
import {
  type AttemptLimits,
  add,
  createLane,
  type Lane,
  NOTHING_WRITTEN,
  stopped,
} from './write-lane.ts';

/** Series whose first time is remembered: 16 MB or so. */
const FIRST_TIMES_MAX = 200_000;
/** Batches that may be under way. The ingester bounds their size. */
const QUEUE_MAX = 64;

export interface Writer {
  /**
   * Stores a batch and resolves once it is committed; of one series, batches are committed in the order of the calls.
   * Retries until `stop`, then rejects with code `stopped`; what it rejects was not acknowledged, so its sender sends
   * it again. The batch's memory may not change until then.
   */
  write(batch: ReadingBatch): Promise<WriteOutcome>;
  /** That of the lane that is worst off. */
  readonly state: WriterState;
  /** The state, and the code of the failure that it comes from, such as `paused (53100)`. For /readyz. */
  readonly detail: string;
  /** Lets the attempts that are under way finish; ends all waiting. */
  stop(): Promise<void>;
}

export interface WriterOptions {
  /** Embedded, where no peer is lost and no other session holds locks, an attempt may take as long as it takes. */
  readonly database: Writable & { readonly embedded?: boolean };
  readonly log: Log;
  readonly metrics: Metrics;
  /** Connections that write at once. More than one gain nothing on the embedded engine, which has one session. */
  readonly lanes?: number;
  readonly limits?: AttemptLimits;
  /** Of a process whose points a feed outside of it gets: its number among those that append there. */
  readonly feedWriter?: number | undefined;
}

const SLOW_MS = 10_000;
const DEADLINE_MS = { embedded: Number.POSITIVE_INFINITY, native: 60_000 };

const WORST_FIRST: readonly WriterState[] = ['paused', 'waiting', 'writing'];

/** Makes a writer on the database's writing connections. */
export function createWriter(options: WriterOptions): Writer {
  const { database, log, metrics, feedWriter } = options;
  const laneCount = options.lanes ?? 1;
  const deadlineMs = DEADLINE_MS[database.embedded === true ? 'embedded' : 'native'];
  const limits = options.limits ?? { slowMs: SLOW_MS, deadlineMs };
  const stopping = new AbortController();
  let queued = 0;
  const failures = metrics.counter('tailrace_writer_failures_total', 'failed attempts to write', [
    'failure',
  ]);
  const lanes = Array.from({ length: laneCount }, () =>
    createLane({
      database,
      log,
      stopping: stopping.signal,
      firstTimesMax: Math.ceil(FIRST_TIMES_MAX / laneCount),
      limits,
      feedWriter,
      onFailure: (failure) => failures.inc({ failure }),
    }),
  );
  const worst = () => worstOf(lanes);
  const state = () => worst()?.state ?? 'writing';
  metrics.gauge('tailrace_writer_paused', '1 while the database takes no writes', () =>
    state() === 'writing' ? 0 : 1,
  );
  metrics.bounded('writer_queue', () => queued, QUEUE_MAX);
  metrics.bounded(
    'writer_first_times',
    () => lanes.reduce((sum, lane) => sum + lane.firstTimes, 0),
    FIRST_TIMES_MAX,
  );

  return {
    async write(batch) {
      if (stopping.signal.aborted) throw stopped();
      if (queued >= QUEUE_MAX) throw queueFull();
      queued++;
      try {
        return await writeThrough(lanes, batch);
      } finally {
        queued--;
      }
    },
    get state() {
      return state();
    },
    get detail() {
      const trouble = worst()?.trouble;
      return trouble === undefined ? state() : `${state()} (${trouble})`;
    },
    async stop() {
      stopping.abort();
      await Promise.all(lanes.map((lane) => lane.ended()));
    },
  };
}

function worstOf(lanes: readonly Lane[]): Lane | undefined {
  for (const state of WORST_FIRST) {
    const lane = lanes.find((one) => one.state === state);
    if (lane !== undefined) return lane;
  }
  return undefined;
}

/** Waits for every lane, also where one was stopped: until then the others read the batch's memory. */
async function writeThrough(lanes: readonly Lane[], batch: ReadingBatch): Promise<WriteOutcome> {
  const rowOutcomes = new Uint8Array(batch.rows);
  const parts = partitionRows(batch.seriesIds, batch.rows, lanes.length);
  const settled = await Promise.allSettled(
    parts.flatMap((rows, index) =>
      rows.length === 0 ? [] : (lanes[index]?.write({ batch, rows, rowOutcomes }) ?? []),
    ),
  );
  let outcome = NOTHING_WRITTEN;
  for (const part of settled) {
    if (part.status === 'rejected') throw part.reason;
    outcome = add(outcome, part.value);
  }
  const refused = outcome.refused.toSorted((a, b) => a.row - b.row);
  return { ...outcome, refused, rowOutcomes };
}

function queueFull(): TailraceError {
  return new TailraceError(
    'writer_queue_full',
    `${QUEUE_MAX} batches are being written already: await one before giving the next.`,
  );
}
