// The demo's sources as MQTT messages: the simulated rig and three replays, their past in large arrays, their present a
// message a sample.
import {
  ACTIVITY_KEY,
  NAB_ASSET,
  NAB_FAST_ASSET,
  RIG_ASSET,
  type RigGroup,
  rigGroups,
  rigValues,
  TIME_LOG_GROUP,
  topicOf,
  WITSML_ASSET,
} from './channels.ts';
import type { HistorySource } from './history.ts';
import { type Recording, type ReplayedRow, readRecordings, replayBetween } from './replay.ts';
import type { RigState } from './rig.ts';
import { createRigClock, type RigSample } from './rig-clock.ts';

export interface OutMessage {
  readonly topic: string;
  readonly payload: string;
}

export interface DemoSource extends HistorySource {
  /** Messages of [fromMs, toMs), many readings in each, the newest first. */
  history(fromMs: number, toMs: number): Iterable<OutMessage>;
  /** Messages of [fromMs, toMs), one a sample, in the order of time. Called with stretches that follow one another. */
  live(fromMs: number, toMs: number): Iterable<OutMessage>;
}

const HOUR_MS = 3_600_000;
/** Samples in one message of history: some ten kilobytes. */
const SAMPLES_A_MESSAGE = 60;
const ACTIVITY_EVERY_MS = 10_000;

/** All sources. The readings of each are a function of the time alone. */
export function demoSources(): DemoSource[] {
  const { temperature, cpu, timeLog } = readRecordings();
  return [
    rigSource(),
    replaySource(NAB_FAST_ASSET, 6 * HOUR_MS, 300, [temperature, cpu]),
    replaySource(NAB_ASSET, 14 * 24 * HOUR_MS, 1, [temperature, cpu]),
    replaySource(WITSML_ASSET, 2 * HOUR_MS, 60, [timeLog], TIME_LOG_GROUP),
  ];
}

/** The rig runs at 5 Hz; its past is written at 1 Hz. */
function rigSource(): DemoSource {
  const clock = createRigClock();
  let ahead: Generator<RigSample, void> | undefined;
  let next: RigSample | undefined;
  return {
    asset: RIG_ASSET,
    spanMs: 6 * HOUR_MS,
    *history(fromMs, toMs) {
      const samples = clock.seconds(fromMs, toMs);
      for (const some of chunksFromTheEnd(samples, SAMPLES_A_MESSAGE)) {
        for (const group of rigGroups) yield rigMessage(group, some);
      }
    },
    *live(fromMs, toMs) {
      ahead ??= clock.from(fromMs);
      for (;;) {
        next ??= ahead.next().value ?? undefined;
        if (next === undefined || next.timeMs >= toMs) return;
        const sample = next;
        next = undefined;
        if (sample.timeMs < fromMs) continue;
        for (const group of rigGroups) yield rigMessage(group, [sample]);
      }
    },
  };
}

function rigMessage(group: RigGroup, samples: readonly RigSample[]): OutMessage {
  const points = samples.map(({ timeMs, state }) => {
    const values = rigValues(state, group);
    if (group === 'drilling' && tellsActivity(timeMs, state)) values[ACTIVITY_KEY] = state.phase;
    return { ts: timeMs, values };
  });
  return { topic: topicOf(RIG_ASSET, group), payload: payloadOf(points) };
}

/** The activity is told when it begins, and every ten seconds for those who came later. */
function tellsActivity(timeMs: number, { phaseS }: RigState): boolean {
  return phaseS === 0 || timeMs % ACTIVITY_EVERY_MS === 0;
}

/** Recordings of one asset. A `group` gathers channels below one topic; without it each channel is a topic. */
function replaySource(
  asset: string,
  spanMs: number,
  speed: number,
  recordings: readonly Recording[],
  group?: string,
): DemoSource {
  function* messages(fromMs: number, toMs: number, most: number): Iterable<OutMessage> {
    for (const recording of recordings) {
      const rows = replayBetween(recording, speed, fromMs, toMs);
      for (const some of chunksFromTheEnd(rows, most)) yield replayMessage(asset, some, group);
    }
  }
  return {
    asset,
    spanMs,
    history: (fromMs, toMs) => messages(fromMs, toMs, SAMPLES_A_MESSAGE * 5),
    live: (fromMs, toMs) => messages(fromMs, toMs, SAMPLES_A_MESSAGE),
  };
}

function replayMessage(asset: string, rows: readonly ReplayedRow[], group?: string): OutMessage {
  if (group !== undefined) {
    const points = rows.map(({ timeMs, values }) => ({ ts: timeMs, values }));
    return { topic: topicOf(asset, group), payload: payloadOf(points) };
  }
  const channel = Object.keys(rows[0]?.values ?? {})[0] ?? '';
  const points = rows.map(({ timeMs, values }) => ({ ts: timeMs, value: values[channel] }));
  return { topic: topicOf(asset, channel), payload: payloadOf(points) };
}

/** One point stands by itself, several in an array. */
function payloadOf(points: readonly object[]): string {
  return JSON.stringify(points.length === 1 ? points[0] : points);
}

/** Runs of at most `most`, the last run first, each in its own order. */
function* chunksFromTheEnd<T>(all: readonly T[], most: number): Iterable<T[]> {
  for (let end = all.length; end > 0; end -= most) yield all.slice(Math.max(0, end - most), end);
}
