// What a policy's keeper tells the metrics.
import type { Clock } from '../../lib/clock.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { compiledRegexes, REGEX_CACHE_MAX } from '../../lib/selector-regex.ts';
import type { Force } from './force.ts';

export interface KeeperCounts {
  activated(): void;
  refused(code: string): void;
  sourceFailed(code: string): void;
}

/** Registers them; gives back what counts. */
export function registerKeeperMetrics(metrics: Metrics, force: Force, clock: Clock): KeeperCounts {
  metrics.gauge(
    'tailrace_policy_bundle_age_seconds',
    'time since the source confirmed the policy bundle in force',
    () => {
      const state = force.state();
      return state.at === 'waiting' ? 0 : (clock() - state.bundle.confirmedMs) / 1_000;
    },
  );
  metrics.gauge(
    'tailrace_policy_over_age',
    '1 while everything is denied because the policy bundle is over its maximum age',
    () => (force.state().at === 'over_age' ? 1 : 0),
  );
  metrics.bounded('selector_regexes', compiledRegexes, REGEX_CACHE_MAX);
  const activations = metrics.counter(
    'tailrace_policy_activations_total',
    'policy bundles put in force',
  );
  const refused = metrics.counter(
    'tailrace_policy_candidates_refused_total',
    'policy bundles refused, by what was wrong',
    ['code'],
  );
  const failures = metrics.counter(
    'tailrace_policy_source_failures_total',
    'looks at the source of the policy that failed, by what was wrong',
    ['code'],
  );
  return {
    activated: () => activations.inc(),
    refused: (code: string) => refused.inc({ code }),
    sourceFailed: (code: string) => failures.inc({ code }),
  };
}
