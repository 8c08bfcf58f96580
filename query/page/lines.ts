// The lines and lanes that are held for the screen, by series id: filled by answers, continued by the tail.
import type { FrameBucket, FramePoint } from '../../client/frames.ts';
import { appendState, emptyStates, forgetStates, type StateTrace, statesOf } from './states.ts';
import {
  append,
  appendSummary,
  carryOver,
  emptyTrace,
  type Trace,
  thin,
  traceOf,
  trim,
} from './trace.ts';
import type { RangeAnswer, RangeSeries, SeriesInfo } from './wire.ts';

export interface Lines {
  trace(id: number): Trace;
  states(id: number): StateTrace;
  /** Puts answers in the place of what is held. Where the tail goes on, what it gave meanwhile is kept behind them. */
  show(series: readonly SeriesInfo[], answers: readonly RangeAnswer[], live: boolean): void;
  /** Takes points of the tail; says whether one of them belongs where only a new answer can put it. */
  take(points: readonly FramePoint[]): 'taken' | 'stale';
  takeBuckets(buckets: readonly FrameBucket[]): void;
  /** The newest time of any line; 0 without any. */
  newestMs(): number;
  /** Whether a line has so many points that a new answer would draw the same with fewer. */
  isFull(width: number): boolean;
  /** What is older is not on the screen: it is forgotten, and not taken from the tail. */
  forgetBefore(ms: number): void;
}

const POINTS_A_PIXEL = 6;
const POINTS_MAX = 100_000;
/** How long a bucket of a summary is taken to be; the frame does not say it. */
const SUMMARY_LENGTH_MS = 1_000;

/** Holds nothing yet. */
export function createLines(): Lines {
  const traces = new Map<number, Trace>();
  const lanes = new Map<number, StateTrace>();
  let oldestMs = Number.NEGATIVE_INFINITY;

  return {
    trace: (id) => traces.get(id) ?? emptyTrace(),
    states: (id) => lanes.get(id) ?? emptyStates(),
    show(series, answers, live) {
      const older = new Map(traces);
      const olderLanes = new Map(lanes);
      traces.clear();
      lanes.clear();
      const answered = byId(answers);
      for (const { id, kind } of series) {
        const found = answered.get(id);
        if (kind === 'state') {
          const lane = found ? statesOf(found.one, found.answer, live) : emptyStates();
          lanes.set(id, joinStates(live ? olderLanes.get(id) : undefined, lane));
          continue;
        }
        const trace = found ? traceOf(found.one, found.answer.range.step_ms) : emptyTrace();
        const before = older.get(id);
        if (live && before !== undefined) carryOver(before, trace);
        traces.set(id, trace);
      }
    },
    take(points) {
      let stale = false;
      for (const [id, time, value] of points) {
        if (time < oldestMs) continue;
        const lane = lanes.get(id);
        const trace = traces.get(id);
        if (lane !== undefined) {
          stale = appendState(lane, time, String(value)) === 'stale' || stale;
          keepBounded(lane);
        }
        if (trace !== undefined && typeof value === 'number') {
          stale = append(trace, time, value) === 'stale' || stale;
          if (trace.t.length > POINTS_MAX) thin(trace, POINTS_MAX / 2);
        }
      }
      return stale ? 'stale' : 'taken';
    },
    takeBuckets(buckets) {
      for (const bucket of buckets) {
        const trace = traces.get(bucket[0]);
        if (trace !== undefined) appendSummary(trace, bucket, SUMMARY_LENGTH_MS);
      }
    },
    newestMs() {
      let newest = 0;
      for (const { t } of [...traces.values(), ...lanes.values()]) {
        newest = Math.max(newest, t.at(-1) ?? 0);
      }
      return newest;
    },
    isFull: (width) => [...traces.values()].some(({ t }) => t.length > POINTS_A_PIXEL * width),
    forgetBefore(ms) {
      oldestMs = ms;
      for (const trace of traces.values()) trim(trace, ms);
      for (const lane of lanes.values()) forgetStates(lane, ms);
    },
  };
}

/** A page in the background is not drawn and forgets nothing by its window: the oldest half of too much goes. */
function keepBounded({ t, v }: StateTrace): void {
  for (const column of [t, v]) if (column.length > POINTS_MAX) column.splice(0, POINTS_MAX / 2);
}

interface AnsweredSeries {
  readonly one: RangeSeries;
  readonly answer: RangeAnswer;
}

function byId(answers: readonly RangeAnswer[]): Map<number, AnsweredSeries> {
  return new Map(
    answers.flatMap((answer) => answer.series.map((one) => [one.id, { one, answer }] as const)),
  );
}

/** An answer's states, and behind them those that the tail gave meanwhile. */
function joinStates(older: StateTrace | undefined, newer: StateTrace): StateTrace {
  const newestMs = newer.t.at(-1) ?? Number.NEGATIVE_INFINITY;
  older?.t.forEach((time, index) => {
    if (time > newestMs) appendState(newer, time, older.v[index] ?? '');
  });
  return newer;
}
