// A real policy whose grants a test changes before anyone sees them.
import type { Decider, DecisionInput, Policy } from '../policies/decide/decision.ts';
import { saysTheSame } from '../policies/decide/renewal.ts';
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

export interface ChangingPolicy {
  readonly policy: Policy;
  /** Changes every grant from now on in this way instead, as another revision, and tells of it. */
  put(change: (grant: Grant, input: DecisionInput) => Grant): void;
}

/** A policy whose rules are replaced while it runs, as by a new bundle. Grants that say the same again stay the same. */
export function changingPolicy(policy: Policy): ChangingPolicy {
  const listeners = new Set<() => void>();
  let change = (grant: Grant, _: DecisionInput): Grant => grant;
  let changes = 0;
  const revision = () => `${policy.revision}.${changes}`;
  function decide(input: DecisionInput): Grant {
    const { renews, ...question } = input;
    const grant = { ...change(policy.decide(question), input), revision: revision() };
    return renews !== undefined && saysTheSame(renews, grant) ? renews : grant;
  }
  const changing: Policy = {
    ...policy,
    get revision() {
      return revision();
    },
    decide,
    pin: () => ({ revision: revision(), decide }),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return {
    policy: changing,
    put(next) {
      change = next;
      changes += 1;
      for (const listener of listeners) listener();
    },
  };
}
