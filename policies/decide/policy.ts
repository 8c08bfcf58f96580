// The rules of a process that never change: one bundle, as tests and benchmarks ask it.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { compiledRegexes, REGEX_CACHE_MAX } from '../../lib/selector-regex.ts';
import { type Bundle, readBundleFile, shippedBundlePath } from '../bundles/bundle.ts';
import { createDecider, createDecisionDesk } from './decider.ts';
import type { OnDecision, Policy } from './decision.ts';
import { createEvaluator } from './evaluator.ts';
import { MEMORY_PAGES_MAX } from './instance.ts';

export interface PolicyOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly memoryPagesMax?: number;
  readonly onDecision?: OnDecision;
  /** What the status calls its source. */
  readonly source?: string;
}

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
      'Only a running process reads the policy bundle from a URL: give the path of a bundle here.',
    );
  }
  const bundle = await readBundleFile(location ?? shippedBundlePath());
  return createPolicy(bundle, { ...options, source: location ?? 'shipped' });
}

/** Makes the policy of a bundle. @throws TailraceError `policy_bundle_invalid`. */
export async function createPolicy(bundle: Bundle, options: PolicyOptions): Promise<Policy> {
  const { metrics, clock, memoryPagesMax = MEMORY_PAGES_MAX, source = 'given' } = options;
  const evaluate = createEvaluator(bundle, memoryPagesMax);
  const activatedMs = clock();
  metrics.gauge(
    'tailrace_policy_bundle_age_seconds',
    'time since the policy bundle in force was loaded',
    () => (clock() - activatedMs) / 1000,
  );
  metrics.bounded('selector_regexes', compiledRegexes, REGEX_CACHE_MAX);
  const { revision } = bundle;
  const decider = createDecider(evaluate, revision, createDecisionDesk(options));
  return {
    ...decider,
    pin: () => decider,
    status: () => ({
      revision,
      source,
      state: 'in_force',
      activatedMs,
      confirmedMs: activatedMs,
    }),
    onChange: () => () => undefined,
  };
}
