import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rigChannels, rigReading } from './channels.ts';
import {
  BLOCK_HIGH_M,
  BLOCK_LOW_M,
  HOLE_START_M,
  type RigState,
  startRig,
  stepRig,
} from './rig.ts';
import { createRigClock, RIG_STEP_MS } from './rig-clock.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const steps = fc.constantFrom(0.2, 1);

/** A rig's states, one by one. */
function* run(seed: number, dtS: number, hours: number): Generator<RigState> {
  let state = startRig(seed);
  for (let s = 0; s < hours * 3600; s += dtS) {
    yield state;
    state = stepRig(state, dtS);
  }
}

/** The states of a few rigs for which something does not hold; `expect` on each of them would take minutes. */
function exceptions(
  hours: number,
  holds: (state: RigState, before: RigState) => boolean,
): RigState[] {
  const found: RigState[] = [];
  fc.assert(
    fc.property(seeds, steps, (seed, dtS) => {
      let before: RigState | undefined;
      for (const state of run(seed, dtS, hours)) {
        if (!holds(state, before ?? state)) found.push(state);
        before = state;
      }
    }),
    { numRuns: 4 },
  );
  return found.slice(0, 3);
}

describe('the simulated rig', () => {
  it('keeps bit, hole and block where they can be', () => {
    const strange = exceptions(
      3,
      ({ bitM, holeM, blockM }, before) =>
        bitM <= holeM &&
        bitM > HOLE_START_M - 200 &&
        holeM >= before.holeM &&
        blockM >= BLOCK_LOW_M - 1e-9 &&
        blockM <= BLOCK_HIGH_M + 1e-9,
    );
    expect(strange).toEqual([]);
  });

  it('measures nothing below zero', () => {
    expect(exceptions(1, (state) => rigChannels.every(({ read }) => read(state) >= 0))).toEqual([]);
  });

  it('drills with the bit on the bottom, pumps and rotary on', () => {
    const drills = ({ bitM, holeM, flowLpm, rpm }: RigState): boolean =>
      bitM === holeM && flowLpm > 2_000 && rpm > 100;
    expect(exceptions(1, (state) => state.phase !== 'drilling' || drills(state))).toEqual([]);
  });

  it('has no pressure, no rotation and no string on the hook in slips', () => {
    let seen = 0;
    const strange = exceptions(2, (state) => {
      if (state.phase !== 'connection' || state.phaseS < 60) return true;
      seen++;
      const { pressureBar, flowLpm, rpm, hookLoadKlbf } = state;
      return pressureBar < 1 && flowLpm < 1 && rpm < 1 && hookLoadKlbf < 45;
    });
    expect(strange).toEqual([]);
    expect(seen).toBeGreaterThan(0);
  });

  it('makes connections and trips, and comes back to drilling', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const phases: string[] = [];
        for (const { phase } of run(seed, 1, 5)) if (phases.at(-1) !== phase) phases.push(phase);
        expect(phases.filter((phase) => phase === 'connection').length).toBeGreaterThan(4);
        const pulled = phases.filter((phase) => phase === 'pulling out').length;
        expect(pulled).toBeGreaterThanOrEqual(4);
        expect(phases.slice(phases.indexOf('pulling out'))).toContain('drilling');
      }),
      { numRuns: 5 },
    );
  });

  it('is the same for the same seed', () => {
    expect([...run(7, 1, 0.2)]).toEqual([...run(7, 1, 0.2)]);
  });

  it('shows readings in the decimals of their sensors, the same each time they are read', () => {
    const state = [...run(7, 1, 0.2)].at(-1) ?? startRig(7);
    for (const channel of rigChannels) {
      const reading = rigReading(state, channel);
      expect(rigReading(state, channel)).toBe(reading);
      expect(Math.abs(reading - channel.read(state))).toBeLessThan(0.02 * channel.read(state) + 1);
    }
  });
});

describe('the rig as a function of the present', () => {
  const noonMs = Date.UTC(2026, 10, 22, 0, 40);

  it('agrees with itself, however it is asked', () => {
    const whole = createRigClock().seconds(noonMs, noonMs + 1_200_000);
    expect(whole).toHaveLength(1_200);
    const clock = createRigClock();
    const late = clock.seconds(noonMs + 600_000, noonMs + 1_200_000);
    const early = clock.seconds(noonMs, noonMs + 600_000);
    expect([...early, ...late]).toEqual(whole);
  });

  it('runs live at 5 Hz through the seconds of its past', () => {
    const past = createRigClock().seconds(noonMs, noonMs + 10_000);
    const live: { timeMs: number }[] = [];
    for (const sample of createRigClock().from(noonMs)) {
      if (sample.timeMs >= noonMs + 10_000) break;
      live.push(sample);
    }
    expect(live.map(({ timeMs }) => timeMs - noonMs)).toEqual(
      Array.from({ length: 50 }, (_, index) => index * RIG_STEP_MS),
    );
    expect(live.filter((_, index) => index % 5 === 0)).toEqual(past);
  });

  it('begins a new hole at midnight', () => {
    const midnightMs = Date.UTC(2026, 10, 22);
    const [first] = createRigClock().seconds(midnightMs, midnightMs + 1_000);
    expect(first?.state.holeM).toBe(HOLE_START_M);
  });
});
