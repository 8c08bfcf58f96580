// The line of one series: what a range answered, and behind it what the tail appended. Times are ms since 1970 UTC.
import type { FrameBucket } from '../../client/frames.ts';
import type { RangeSeries } from './wire.ts';

/** Buckets of an m4 answer, for the band between minimum and maximum. */
interface Band {
  readonly stepMs: number;
  readonly t: readonly number[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

export interface Trace {
  /** Points of the line, in the order of time, no time twice. */
  readonly t: number[];
  readonly v: number[];
  readonly band: Band | undefined;
  /** Points from this time on came one by one; before it they stand for buckets. */
  readonly appendedFromMs: number;
}

/** A line without points. */
export function emptyTrace(): Trace {
  return { t: [], v: [], band: undefined, appendedFromMs: Number.NEGATIVE_INFINITY };
}

/** The line of an answer: of each bucket its first, lowest, highest and last point, each once, by time. */
export function traceOf(answer: RangeSeries, stepMs: number | null): Trace {
  const { t: starts = [], first, last, min, max, t_first, t_last, t_min, t_max } = answer;
  if (
    answer.v !== undefined ||
    !first ||
    !last ||
    !min ||
    !max ||
    !t_first ||
    !t_last ||
    !t_min ||
    !t_max
  ) {
    return rawTrace(answer);
  }
  const t: number[] = [];
  const v: number[] = [];
  const push = (time: number, value: number): void => {
    const newest = t.at(-1);
    if (newest !== undefined && time <= newest) return;
    t.push(time);
    v.push(value);
  };
  for (let i = 0; i < starts.length; i++) {
    const [low, high] = [t_min[i] ?? 0, t_max[i] ?? 0];
    push(t_first[i] ?? 0, first[i] ?? 0);
    if (low <= high) {
      push(low, min[i] ?? 0);
      push(high, max[i] ?? 0);
    } else {
      push(high, max[i] ?? 0);
      push(low, min[i] ?? 0);
    }
    push(t_last[i] ?? 0, last[i] ?? 0);
  }
  const band = stepMs === null ? undefined : { stepMs, t: starts, min, max };
  return { t, v, band, appendedFromMs: (t.at(-1) ?? Number.NEGATIVE_INFINITY) + 1e-6 };
}

function rawTrace(answer: RangeSeries): Trace {
  const t: number[] = [];
  const v: number[] = [];
  answer.t?.forEach((time, index) => {
    const value = answer.v?.[index];
    if (typeof value !== 'number') return;
    t.push(time);
    v.push(value);
  });
  return { t, v, band: undefined, appendedFromMs: Number.NEGATIVE_INFINITY };
}

/**
 * Takes a point of the tail. Says `stale` where it belongs among buckets, which only a new answer can put right: a late
 * or corrected reading. A time that came before keeps the newest value.
 */
export function append(
  trace: Trace,
  time: number,
  value: number,
): 'appended' | 'corrected' | 'stale' {
  const newest = trace.t.at(-1);
  if (newest === undefined || time > newest) {
    trace.t.push(time);
    trace.v.push(value);
    return 'appended';
  }
  const at = indexAtOrBefore(trace.t, time);
  if (at >= 0 && trace.t[at] === time) {
    if (trace.v[at] === value) return 'corrected';
    if (time >= trace.appendedFromMs) {
      trace.v[at] = value;
      return 'corrected';
    }
    return 'stale';
  }
  if (time < trace.appendedFromMs) return 'stale';
  trace.t.splice(at + 1, 0, time);
  trace.v.splice(at + 1, 0, value);
  return 'appended';
}

/** Takes a summary of the tail: its first, lowest, highest and last value, spread over the time of its bucket. */
export function appendSummary(trace: Trace, bucket: FrameBucket, lengthMs: number): void {
  const [, time, first, last, min, max] = bucket;
  const step = lengthMs / 4;
  [first, min, max, last].forEach((value, i) => {
    if (typeof value === 'number') append(trace, time + i * step, value);
  });
}

/** Forgets points before `beforeMs`, all but one, which the line comes from. Does so only where that is worth it. */
export function trim(trace: Trace, beforeMs: number): void {
  const at = indexAtOrBefore(trace.t, beforeMs);
  if (at < 512 || at < trace.t.length / 4) return;
  trace.t.splice(0, at);
  trace.v.splice(0, at);
}

/**
 * Leaves at most about `max` points: of each stretch of time its first, lowest, highest and last, so that the line stays
 * the same as far as a screen shows it, and a flood does not push out what came slowly.
 */
export function thin(trace: Trace, max: number): void {
  const [t, v] = [[...trace.t], [...trace.v]];
  const firstMs = t[0] ?? 0;
  const stretchMs = ((t.at(-1) ?? 0) - firstMs) / Math.floor(max / 4);
  trace.t.length = 0;
  trace.v.length = 0;
  for (let from = 0, to = 0; from < t.length; from = to) {
    const endMs = firstMs + (Math.floor(((t[from] ?? 0) - firstMs) / stretchMs) + 1) * stretchMs;
    let [low, high] = [from, from];
    for (to = from + 1; to < t.length && (t[to] ?? 0) < endMs; to++) {
      if ((v[to] ?? 0) < (v[low] ?? 0)) low = to;
      if ((v[to] ?? 0) > (v[high] ?? 0)) high = to;
    }
    const kept = [from, Math.min(low, high), Math.max(low, high), to - 1];
    kept.forEach((at, i) => {
      if (at === kept[i - 1]) return;
      trace.t.push(t[at] ?? 0);
      trace.v.push(v[at] ?? 0);
    });
  }
}

/** Points of `newer` behind those of `older`'s that came after the newer's last: what the tail gave meanwhile. */
export function carryOver(older: Trace, newer: Trace): void {
  const from = Math.max(older.appendedFromMs, newer.t.at(-1) ?? Number.NEGATIVE_INFINITY);
  for (let i = indexAtOrBefore(older.t, from) + 1; i < older.t.length; i++) {
    append(newer, older.t[i] ?? 0, older.v[i] ?? 0);
  }
}

/** Index of the last time at or before `time`, -1 where there is none. */
export function indexAtOrBefore(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the time closest to `time`, -1 where there is none. */
export function indexClosest(times: readonly number[], time: number): number {
  const before = indexAtOrBefore(times, time);
  const after = before + 1;
  if (before < 0) return times.length > 0 ? 0 : -1;
  if (after >= times.length) return before;
  return time - (times[before] ?? 0) <= (times[after] ?? 0) - time ? before : after;
}

/** Least and greatest value of the points within [startMs, endMs], undefined where there are none. */
export function extent(
  trace: Trace,
  startMs: number,
  endMs: number,
): { min: number; max: number } | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = indexAtOrBefore(trace.t, startMs - 1e-6) + 1; i < trace.t.length; i++) {
    if ((trace.t[i] ?? 0) > endMs) break;
    const value = trace.v[i] ?? 0;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : undefined;
}
