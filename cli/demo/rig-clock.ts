// The simulated rig as a function of the present: each day at 00:00 UTC it begins a new hole, so the day's number and
// the time since midnight give every reading. Two runs of the demo agree, and history is written without any memory.
import { type RigState, startRig, stepRig } from './rig.ts';

const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;
/** The rig's sampling: 5 Hz. */
export const RIG_STEP_MS = 200;
/** Getting to a second of the day means running there from midnight (0.4 s for a day), so some states are kept. */
const CHECKPOINT_MS = 600_000;
const CHECKPOINTS_MAX = (2 * DAY_MS) / CHECKPOINT_MS;

/** The rig at one instant, ms since 1970 UTC. */
export interface RigSample {
  readonly timeMs: number;
  readonly state: RigState;
}

export interface RigClock {
  /** The rig at every whole second in [fromMs, toMs). */
  seconds(fromMs: number, toMs: number): RigSample[];
  /** The rig at every multiple of 200 ms from `fromMs` on, for ever. */
  from(fromMs: number): Generator<RigSample, void>;
}

/** Makes a clock; two of them agree. */
export function createRigClock(): RigClock {
  const checkpoints = new Map<number, RigState>();

  /** The rig at every whole second from `startMs` on, which is a whole second. */
  function* everySecond(startMs: number): Generator<RigSample, void> {
    let timeMs = startMs - (startMs % CHECKPOINT_MS);
    while (timeMs % DAY_MS !== 0 && !checkpoints.has(timeMs)) timeMs -= CHECKPOINT_MS;
    let state = checkpoints.get(timeMs) ?? startRig(timeMs / DAY_MS);
    for (;;) {
      if (timeMs >= startMs) yield { timeMs, state };
      timeMs += SECOND_MS;
      state = timeMs % DAY_MS === 0 ? startRig(timeMs / DAY_MS) : stepRig(state, 1);
      if (timeMs % CHECKPOINT_MS === 0) keep(timeMs, state);
    }
  }

  function keep(timeMs: number, state: RigState): void {
    checkpoints.set(timeMs, state);
    if (checkpoints.size <= CHECKPOINTS_MAX) return;
    const [oldest] = checkpoints.keys();
    if (oldest !== undefined) checkpoints.delete(oldest);
  }

  return {
    seconds(fromMs, toMs) {
      const samples: RigSample[] = [];
      const startMs = Math.ceil(fromMs / SECOND_MS) * SECOND_MS;
      if (startMs >= toMs) return samples;
      for (const sample of everySecond(startMs)) {
        if (sample.timeMs >= toMs) break;
        samples.push(sample);
      }
      return samples;
    },
    *from(fromMs) {
      for (const second of everySecond(Math.floor(fromMs / SECOND_MS) * SECOND_MS)) {
        let { timeMs, state } = second;
        for (; timeMs < second.timeMs + SECOND_MS; timeMs += RIG_STEP_MS) {
          if (timeMs >= fromMs) yield { timeMs, state };
          state = stepRig(state, RIG_STEP_MS / 1000);
        }
      }
    },
  };
}
