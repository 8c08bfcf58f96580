// The lane of a state series: text that holds until the next one, as runs. Times are ms since 1970 UTC.
import { indexAtOrBefore } from './trace.ts';
import type { RangeAnswer, RangeSeries } from './wire.ts';

/** States by the times from which they held, in the order of time, no time twice. */
export interface StateTrace {
  readonly t: number[];
  readonly v: string[];
  /** The answer's start: what held there may have begun before. */
  readonly fromMs: number;
  /** Until when the last one is known to hold; without end where a tail tells of the next. */
  readonly untilMs: number;
  /** How far behind the present a policy keeps what is told. */
  readonly lagMs: number;
}

/** A state from one time to another. */
export interface Run {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What held at a time, and for how long. */
export interface Held extends Run {
  /** It may have begun before its start. */
  readonly isCut: boolean;
  /** It has not ended, as far as is known. */
  readonly goesOn: boolean;
}

/** A lane that knows of nothing. */
export function emptyStates(): StateTrace {
  const { NEGATIVE_INFINITY: fromMs, POSITIVE_INFINITY: untilMs } = Number;
  return { t: [], v: [], fromMs, untilMs, lagMs: 0 };
}

/** The states of an answer in intervals; a tail goes on from it where it is `live`. */
export function statesOf(
  { value = [], start = [], end = [] }: RangeSeries,
  { range, policy }: Pick<RangeAnswer, 'range' | 'policy'>,
  live: boolean,
): StateTrace {
  return {
    t: [...start],
    v: [...value],
    fromMs: range.start,
    untilMs: live ? Number.POSITIVE_INFINITY : (end.at(-1) ?? range.end),
    lagMs: live ? (policy?.obligations?.delay_ms ?? 0) : 0,
  };
}

/**
 * Takes a point; one of a time that came before replaces it. A point before others is put in its place, but of those
 * behind it that said the same again nothing is known any more: only a new answer tells until when it held.
 */
export function appendState(trace: StateTrace, time: number, text: string): 'taken' | 'stale' {
  const at = indexAtOrBefore(trace.t, time);
  if (at >= 0 && trace.t[at] === time) {
    trace.v[at] = text;
    return 'taken';
  }
  // Who follows a state for days is told the same again and again.
  if (trace.v[at] === text) return 'taken';
  trace.t.splice(at + 1, 0, time);
  trace.v.splice(at + 1, 0, text);
  return at + 2 === trace.t.length ? 'taken' : 'stale';
}

/** Equal neighbours joined, within [startMs, endMs); the last run reaches as far as is known. */
export function runsOf(trace: StateTrace, startMs: number, endMs: number): Run[] {
  const untilMs = Math.min(endMs - trace.lagMs, trace.untilMs);
  const runs: { text: string; startMs: number; endMs: number }[] = [];
  for (let i = Math.max(0, indexAtOrBefore(trace.t, startMs)); i < trace.t.length; i++) {
    const time = Math.max(trace.t[i] ?? 0, startMs);
    const text = trace.v[i] ?? '';
    if (time >= untilMs) break;
    const last = runs.at(-1);
    if (last !== undefined) last.endMs = time;
    if (last?.text === text) last.endMs = untilMs;
    else runs.push({ text, startMs: time, endMs: untilMs });
  }
  return runs;
}

/** What held at a time, or holds last, in a window that ends at `windowEndMs`; undefined where nothing is known. */
export function heldAt(
  trace: StateTrace,
  timeMs: number | undefined,
  windowEndMs: number,
): Held | undefined {
  const { t, v, fromMs } = trace;
  const untilMs = Math.min(windowEndMs - trace.lagMs, trace.untilMs);
  const at = indexAtOrBefore(t, timeMs ?? untilMs);
  const text = v[at];
  if (text === undefined || (timeMs !== undefined && timeMs > untilMs)) return undefined;
  let [first, next] = [at, at + 1];
  while (first > 0 && v[first - 1] === text) first -= 1;
  while (v[next] === text) next += 1;
  const startMs = t[first] ?? 0;
  const endMs = t[next] ?? untilMs;
  return { text, startMs, endMs, isCut: startMs <= fromMs, goesOn: next >= t.length };
}

/** Forgets what ended before a time, so that a lane that is followed for days stays small. */
export function forgetStates(trace: StateTrace, beforeMs: number): void {
  const at = indexAtOrBefore(trace.t, beforeMs);
  if (at < FORGET_LEAST) return;
  trace.t.splice(0, at);
  trace.v.splice(0, at);
}

/** Fewer are not worth the move. */
const FORGET_LEAST = 512;
