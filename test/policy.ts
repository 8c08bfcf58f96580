// A real policy whose grants a test changes before anyone sees them.
import type { Decider, DecisionInput, Policy } from '../policies/decide/decision.ts';
import type { Grant } from '../policies/grant.ts';

/** The policy given, with every grant changed; `change` is asked anew each time. */
export function changeGrants(
  policy: Policy,
  change: (grant: Grant, input: DecisionInput) => Grant,
): Policy {
  const changed = ({ revision, decide }: Decider): Decider => ({
    revision,
    decide: (input) => change(decide(input), input),
  });
  return { ...policy, ...changed(policy), pin: () => changed(policy.pin()) };
}
