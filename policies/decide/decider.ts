// Decides: asks one bundle's rules, and makes of the answer a grant. Whatever goes wrong on the way is a denial.
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Grant } from '../grant.ts';
import type { Decider, DecisionInput, OnDecision } from './decision.ts';
import type { Evaluate } from './evaluator.ts';
import { saysTheSame } from './renewal.ts';
import { readVerdict, type Verdict } from './verdict.ts';

/** Upper bounds in seconds; a decision takes some 10 µs. */
const DECISION_BUCKETS_S = [
  0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.005, 0.05,
];

/** In base 36: 78 billion decisions. */
const COUNT_DIGITS = 7;

/** What the deciders of one process share, whatever their revision. */
export interface DecisionDesk {
  readonly log: Log;
  readonly nextId: () => string;
  readonly took: (seconds: number) => void;
  readonly onDecision: OnDecision | undefined;
}

/** Makes the desk of a process: ids, the histogram of durations, and who is told of decisions. */
export function createDecisionDesk(options: {
  metrics: Metrics;
  log: Log;
  onDecision?: OnDecision | undefined;
}): DecisionDesk {
  const { metrics, log, onDecision } = options;
  const duration = metrics.histogram(
    'tailrace_policy_decision_seconds',
    'time that one policy decision took',
    DECISION_BUCKETS_S,
  );
  // A prefix of its own for each process, and a count: short, unique, and no system call a decision. Always of one
  // length, so that an answer's length tells nothing, and in the order in which they were made.
  const process = randomBytes(6).toString('base64url');
  let decisions = 0;
  return {
    log,
    onDecision,
    took: (seconds) => duration.observe(seconds),
    nextId() {
      decisions += 1;
      return `${process}-${decisions.toString(36).padStart(COUNT_DIGITS, '0')}`;
    },
  };
}

/** Is told of each input that the rules had an answer to, as they saw it. Has to be quick, and must not throw. */
export type OnUnderstood = (asked: unknown, tookMs: number) => void;

/** Makes the decider of one bundle. */
export function createDecider(
  evaluate: Evaluate,
  revision: string,
  desk: DecisionDesk,
  onUnderstood?: OnUnderstood,
): Decider {
  function judge(asked: unknown): Verdict {
    try {
      return readVerdict(evaluate(asked));
    } catch (thrown) {
      return { understood: false, fault: messageOf(thrown) };
    }
  }

  function grantOf(input: DecisionInput, verdict: Verdict): Grant {
    const { action, claims } = input;
    const { tenant } = claims;
    const decisionId = desk.nextId();
    if (verdict.understood) {
      const { allow, reason, selectors, obligations } = verdict;
      return { action, decisionId, revision, tenant, allow, reason, selectors, obligations };
    }
    desk.log.error(
      { action, decisionId, revision, fault: verdict.fault },
      'the policy failed: denied',
    );
    const reason = 'the policy could not decide, which denies';
    const nothing = { allow: false, selectors: [], obligations: {} };
    return { action, decisionId, revision, tenant, reason, ...nothing };
  }

  return {
    revision,
    decide(input) {
      const { action, claims, nowMs, request = {}, labels } = input;
      const { tenant } = claims;
      const asked = { action, now: nowMs, subject: claims, tenant, request, labels };
      const startMs = performance.now();
      const verdict = judge(asked);
      const tookMs = performance.now() - startMs;
      desk.took(tookMs / 1_000);
      if (verdict.understood) onUnderstood?.(asked, tookMs);
      const grant = grantOf(input, verdict);
      if (input.renews !== undefined && saysTheSame(input.renews, grant)) return input.renews;
      if (input.hypothetical === true) return grant;
      const failed = verdict.understood ? {} : { fault: verdict.fault };
      desk.onDecision?.({ input, grant, durationUs: tookMs * 1_000, ...failed });
      return grant;
    },
  };
}
