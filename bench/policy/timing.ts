// Times short operations one by one.
import type { BenchContext } from '../case.ts';
import { median, percentile } from '../statistics.ts';

/** However slow they are, so many calls are timed: fewer have no 99th percentile. */
const CALLS_MIN = 100;

/** Durations of single calls for so long, in µs. The clock itself costs 0.1 µs a call. */
async function timeCalls(
  timeMs: number,
  call: (index: number) => unknown,
  callsMin = CALLS_MIN,
): Promise<number[]> {
  const durationsUs: number[] = [];
  const endMs = performance.now() + timeMs;
  for (let index = 0; index < callsMin || performance.now() < endMs; index++) {
    const startMs = performance.now();
    const result = call(index);
    if (result instanceof Promise) await result;
    durationsUs.push((performance.now() - startMs) * 1_000);
  }
  return durationsUs;
}

/** A percentile of single calls for so long, in µs. */
export async function percentileOfCalls(
  timeMs: number,
  fraction: number,
  call: (index: number) => unknown,
): Promise<number> {
  return percentile(await timeCalls(timeMs, call), fraction);
}

/** Calls a second, timed as a whole: it is looked at the clock after each ten. */
export function callsPerSecond(timeMs: number, call: () => unknown): number {
  const startMs = performance.now();
  let calls = 0;
  let tookMs = 0;
  while (tookMs < timeMs) {
    for (let index = 0; index < 10; index++) call();
    calls += 10;
    tookMs = performance.now() - startMs;
  }
  return (calls * 1_000) / tookMs;
}

/** How long each figure is timed. */
export function timeOf({ quick }: BenchContext): number {
  return quick ? 30 : 300;
}

/** The longest turn of the event loop while something is done, in ms, beside how long it took. */
export async function longestTurn(
  work: () => Promise<unknown>,
): Promise<{ stallMs: number; tookMs: number }> {
  let stallMs = 0;
  let isDone = false;
  let lastMs = performance.now();
  const startMs = lastMs;
  const turn = (): void => {
    const nowMs = performance.now();
    stallMs = Math.max(stallMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isDone = true;
  const nowMs = performance.now();
  return { stallMs: Math.max(stallMs, nowMs - lastMs), tookMs: nowMs - startMs };
}

/** Asks for a range once. */
export type AskRange = () => Promise<unknown>;

/** Requests that make one median. */
const REQUESTS = 20;

/** The median of single calls as a share of a range request's, in %; both are timed now. */
export async function shareOf(
  askRange: AskRange,
  timeMs: number,
  call: (index: number) => unknown,
): Promise<number> {
  const requestUs = median(await timeCalls(0, askRange, REQUESTS));
  return (100 * (await percentileOfCalls(timeMs, 0.5, call))) / requestUs;
}
