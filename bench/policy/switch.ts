// The shipped policy, which can be swapped while it runs for one that forbids an action, as a new bundle would.
import type { Decider, Policy } from '../../policies/decide/decision.ts';
import type { Action } from '../../policies/grant.ts';

export interface Switch {
  readonly policy: Policy;
  forbid(action: Action): void;
  allow(): void;
}

/** Puts the switch before a policy. */
export function createSwitch(shipped: Policy): Switch {
  const listeners = new Set<() => void>();
  let forbidden: Action | undefined;
  let swaps = 0;

  function deciderOf(action: Action | undefined, revision: string): Decider {
    return {
      revision,
      decide(input) {
        const grant = { ...shipped.decide(input), revision };
        if (input.action !== action) return grant;
        return { ...grant, allow: false, reason: 'not any more', selectors: [], obligations: {} };
      },
    };
  }

  let current = deciderOf(undefined, shipped.revision);

  function swap(action: Action | undefined): void {
    if (action === forbidden) return;
    forbidden = action;
    swaps += 1;
    current = deciderOf(action, `${shipped.revision}.${swaps}`);
    for (const listener of listeners) listener();
  }

  return {
    policy: {
      get revision() {
        return current.revision;
      },
      decide: (input) => current.decide(input),
      pin: () => current,
      status: () => ({ ...shipped.status(), revision: current.revision }),
      onChange(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    forbid: (action) => swap(action),
    allow: () => swap(undefined),
  };
}
