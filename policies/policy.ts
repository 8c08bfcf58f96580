// Decides: asks the compiled policy, and makes of its answer a grant. Whatever goes wrong on the way is a denial.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { compiledRegexes, REGEX_CACHE_MAX } from '../lib/selector-regex.ts';
import { type Bundle, readBundleFile, shippedBundlePath } from './bundle.ts';
import { createEvaluator, MEMORY_PAGES_MAX } from './evaluator.ts';
import type { Action, Claims, Grant } from './grant.ts';
import { readVerdict, type Verdict } from './verdict.ts';

/** What is asked for, as far as it is known when the policy is asked; times in ms since 1970 UTC. */
interface DecisionRequest {
  readonly start?: number;
  readonly end?: number;
  readonly step_ms?: number | null;
  readonly protocol?: string;
  readonly origin?: string;
}

interface DecisionInput {
  readonly action: Action;
  readonly claims: Claims;
  readonly nowMs: number;
  readonly request?: DecisionRequest;
  /** Of the series that a write or a publish is for: `tenant`, `asset`, `channel`, and its labels. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Policy {
  /** Decides at once. Never throws: a policy that fails or answers nonsense denies, and the log says why. */
  decide(input: DecisionInput): Grant;
  readonly revision: string;
}

export interface PolicyOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly memoryPagesMax?: number;
}

/** Upper bounds in seconds; a decision takes some 10 µs. */
const DECISION_BUCKETS_S = [
  0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.005, 0.05,
];

/**
 * Loads the bundle at a path, or the one that comes with the program.
 * @throws TailraceError `policy_bundle_invalid`.
 */
export async function loadPolicy(
  options: PolicyOptions & { readonly location?: string | undefined },
): Promise<Policy> {
  const { location } = options;
  if (location !== undefined && /^https?:/i.test(location)) {
    throw new TailraceError(
      'policy_bundle_invalid',
      'POLICY_BUNDLE is a URL, and this version reads bundles from files only: give a path.',
    );
  }
  return createPolicy(await readBundleFile(location ?? shippedBundlePath()), options);
}

/** Makes the policy of a bundle. @throws TailraceError `policy_bundle_invalid`. */
export async function createPolicy(bundle: Bundle, options: PolicyOptions): Promise<Policy> {
  const { metrics, log, clock, memoryPagesMax = MEMORY_PAGES_MAX } = options;
  const evaluate = await createEvaluator(bundle, memoryPagesMax);
  const loadedMs = clock();
  const duration = metrics.histogram(
    'tailrace_policy_decision_seconds',
    'time that one policy decision took',
    DECISION_BUCKETS_S,
  );
  metrics.gauge(
    'tailrace_policy_bundle_age_seconds',
    'time since the policy bundle in force was loaded',
    () => (clock() - loadedMs) / 1000,
  );
  metrics.bounded('selector_regexes', compiledRegexes, REGEX_CACHE_MAX);
  // A prefix of its own for each process, and a count: short, unique, and no system call a decision.
  const process = randomBytes(6).toString('base64url');
  let decisions = 0;

  function judge(input: DecisionInput): Verdict {
    const { action, claims, nowMs, request = {}, labels } = input;
    const { tenant } = claims;
    try {
      return readVerdict(
        evaluate({ action, now: nowMs, subject: claims, tenant, request, labels }),
      );
    } catch (thrown) {
      return { understood: false, fault: messageOf(thrown) };
    }
  }

  function decide(input: DecisionInput): Grant {
    const startMs = performance.now();
    const verdict = judge(input);
    duration.observe((performance.now() - startMs) / 1000);
    decisions += 1;
    const decisionId = `${process}-${decisions.toString(36)}`;
    const { action, claims } = input;
    const decision = { action, decisionId, revision: bundle.revision, tenant: claims.tenant };
    if (verdict.understood) {
      const { allow, reason, selectors, obligations } = verdict;
      return { ...decision, allow, reason, selectors, obligations };
    }
    const { fault } = verdict;
    log.error(
      { action, decisionId, revision: bundle.revision, fault },
      'the policy failed: denied',
    );
    const reason = 'the policy could not decide, which denies';
    return { ...decision, allow: false, reason, selectors: [], obligations: {} };
  }

  return { decide, revision: bundle.revision };
}
