// The lane of a state series: text that holds until the next one, as runs. Times are ms since 1970 UTC.
import { indexAtOrBefore } from './trace.ts';
import type { RangeSeries } from './wire.ts';

/** Points in the order of time, no time twice. */
export interface StateTrace {
  readonly t: number[];
  readonly v: string[];
}

/** A state from one time to another. */
export interface Run {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** The states of a raw answer. */
export function statesOf(answer: RangeSeries): StateTrace {
  const trace: StateTrace = { t: [], v: [] };
  answer.t.forEach((time, index) => {
    const text = answer.v?.[index];
    if (text !== undefined) appendState(trace, time, String(text));
  });
  return trace;
}

/** Takes a point; one of a time that came before replaces it. */
export function appendState(trace: StateTrace, time: number, text: string): void {
  const at = indexAtOrBefore(trace.t, time);
  if (at >= 0 && trace.t[at] === time) {
    trace.v[at] = text;
    return;
  }
  trace.t.splice(at + 1, 0, time);
  trace.v.splice(at + 1, 0, text);
}

/** What was so at a time, undefined before the first point. */
export function stateAt(trace: StateTrace, time: number): string | undefined {
  return trace.v[indexAtOrBefore(trace.t, time)];
}

/** Equal neighbours joined, within [startMs, endMs]; the last run reaches to the end. */
export function runsOf(trace: StateTrace, startMs: number, endMs: number): Run[] {
  const runs: { text: string; startMs: number; endMs: number }[] = [];
  for (let i = Math.max(0, indexAtOrBefore(trace.t, startMs)); i < trace.t.length; i++) {
    const time = Math.max(trace.t[i] ?? 0, startMs);
    const text = trace.v[i] ?? '';
    if (time >= endMs) break;
    const last = runs.at(-1);
    if (last !== undefined) last.endMs = time;
    if (last?.text !== text) runs.push({ text, startMs: time, endMs });
    else last.endMs = endMs;
  }
  const last = runs.at(-1);
  if (last !== undefined) last.endMs = endMs;
  return runs;
}
