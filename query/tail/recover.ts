// What a client missed while it was away: read from the feed's log and sent in slices, of which each turn of the event loop
// has one, whoever it is for. So a thousand clients that come back at once keep nobody waiting who never left.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeCursor, type Feed, type FeedRecord, type Position } from '../../lib/feed/feed.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Subscription } from './subscription.ts';

/** Rows of one turn: some milliseconds where all of them are wanted. */
const SLICE_ROWS = 5_000;
/** Of what waits for the client at the end of a turn: texts are larger than numbers. */
const SLICE_BYTES = 768 * 1024;
/** So often it is looked whether a slice is full. */
const STEP_ROWS = 100;
/** Who recover at one time: each may hold what is in the log. */
const RECOVERIES_MAX = 64;

/** Places of those who recover in this process. */
export interface Recoveries {
  /** Runs `work` when there is a place. */
  enter<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves in a turn of the event loop that no other caller has. */
  turn(): Promise<unknown>;
}

/** Makes the places of a process that may have so many connections. */
export function createRecoveries(metrics: Pick<Metrics, 'bounded'>, queueMax: number): Recoveries {
  const queue: (() => void)[] = [];
  let running = 0;
  let last: Promise<unknown> = Promise.resolve();
  metrics.bounded('tail_recoveries', () => running + queue.length, queueMax);
  return {
    async enter(work) {
      if (running >= RECOVERIES_MAX) await new Promise<void>((go) => queue.push(go));
      else running += 1;
      try {
        return await work();
      } finally {
        const go = queue.shift();
        // The place goes over to the next.
        if (go === undefined) running -= 1;
        else go();
      }
    },
    turn() {
      last = last.then(() => nextTurn());
      return last;
    },
  };
}

/** Records that somebody has not been given, and the position that they come after. */
export interface Missed {
  readonly from: Position;
  readonly records: readonly FeedRecord[];
}

/** The records after a cursor up to `here`, and where they begin; undefined where they are not to be had. */
export async function readMissed(
  feed: Feed,
  since: string,
  here: Position,
): Promise<Missed | undefined> {
  const from = decodeCursor(since);
  if (from === undefined || from.epoch !== here.epoch) return undefined;
  const read = await feed.readAfter(from);
  if (!read.recovered) return undefined;
  // What a gap stands for was in no record.
  if (read.records.some(({ kind }) => kind === 'gap')) return undefined;
  const records = read.records.filter(({ position }) => position.offset <= here.offset);
  return { from, records };
}

/**
 * Gives a subscription that is held what it missed, and waits for `onSlice` after each slice: false ends it.
 *
 * @returns whether it was given all.
 */
export async function giveMissed(
  subscription: Subscription,
  { from, records }: Missed,
  onSlice: () => Promise<boolean>,
): Promise<boolean> {
  subscription.recoverFrom(from);
  let given = 0;
  for (const record of records) {
    if (record.kind !== 'readings') continue;
    const rows = record.seriesIds.length;
    for (let start = 0; start < rows; start += STEP_ROWS) {
      const end = Math.min(rows, start + STEP_ROWS);
      subscription.recover(record, start, end);
      given += end - start;
      if (given < SLICE_ROWS && subscription.bytes < SLICE_BYTES) continue;
      given = 0;
      if (!(await onSlice())) return false;
    }
  }
  return true;
}
