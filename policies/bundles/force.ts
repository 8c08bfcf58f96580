// What decides in this process now: one assignment away from the next bundle, and from denying everything.
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { createDecider, type DecisionDesk } from '../decide/decider.ts';
import type { Decider } from '../decide/decision.ts';
import type { Evaluate } from '../decide/evaluator.ts';
import { type InForce, type KeeperEvent, type KeeperState, step, WAITING } from './keeper-state.ts';

const OVER_AGE_REASON =
  'the policy bundle is over its maximum age: its source has not confirmed it for too long, which denies everything';

/** Inputs that were asked last, for the trial of the next candidate. */
const RECENT_MAX = 32;
/**
 * What took longer is not remembered, as is what was not understood: whoever found a question that the rules in force are
 * slow with, or fail on, could have every candidate refused with it. A trial allows four times as much.
 */
const REMEMBERED_MS_MAX = 25;

export interface Force {
  readonly state: () => KeeperState;
  /** The decider in force at this moment. @throws Error before the first bundle. */
  decider(): Decider;
  /** Looks whether the bundle is over its age by now. */
  tick(): void;
  dispatch(event: KeeperEvent): void;
  /** Puts a candidate in force, whose trial was announced. */
  activate(bundle: InForce, evaluate: Evaluate): void;
  onChange(listener: () => void): () => void;
  /** What was asked last, as the rules saw it; only what those in force then had an answer to. */
  recentInputs(): unknown[];
}

export interface ForceOptions {
  readonly desk: DecisionDesk;
  readonly clock: Clock;
  readonly ageMaxMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Makes it, with nothing in force yet. */
export function createForce({ desk, clock, ageMaxMs, metrics, log }: ForceOptions): Force {
  let state = WAITING;
  let deciding: Decider | undefined;
  let denying: Decider | undefined;
  const listeners = new Set<() => void>();
  const recent: unknown[] = [];
  let asked = 0;
  metrics.bounded('policy_recent_inputs', () => recent.length, RECENT_MAX);

  function tell(): void {
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch (cause) {
        log.error({ err: cause }, 'a part could not take note of the policy that changed');
      }
    }
  }

  function dispatch(event: KeeperEvent): void {
    const before = state;
    state = step(state, event);
    if (state.at === before.at || before.at === 'waiting') return;
    if (state.at === 'over_age') log.error({ ageMaxMs }, `${OVER_AGE_REASON} (POLICY_AGE_MAX)`);
    else log.info('the policy bundle is confirmed again: it decides');
    tell();
  }

  const tick = () => dispatch({ kind: 'time', nowMs: clock(), ageMaxMs });

  function remember(input: unknown, tookMs: number): void {
    if (tookMs <= REMEMBERED_MS_MAX) recent[asked++ % RECENT_MAX] = input;
  }

  return {
    state: () => state,
    dispatch,
    tick,
    decider() {
      tick();
      const decider = state.at === 'over_age' ? denying : deciding;
      if (decider === undefined) throw new Error('no policy is in force yet');
      return decider;
    },
    activate(bundle, evaluate) {
      const changed = deciding?.revision !== bundle.revision;
      const wasOverAge = state.at === 'over_age';
      deciding = createDecider(evaluate, bundle.revision, desk, remember);
      denying = createDecider(denyEverything, bundle.revision, desk);
      state = step(state, { kind: 'activated', bundle });
      state = step(state, { kind: 'time', nowMs: clock(), ageMaxMs });
      if (changed || wasOverAge) tell();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    recentInputs: () => recent.map(plain).filter((input) => input !== undefined),
  };
}

function denyEverything(): unknown {
  return [{ result: { allow: false, reason: OVER_AGE_REASON, series: [], obligations: {} } }];
}

/** An input as JSON has it, which is how rules see it; undefined where it cannot be put so. */
function plain(input: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(input));
  } catch {
    return undefined;
  }
}
