// What decides, and what it remembers of what it was asked: the next candidate is tried with that.
import { describe, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { ALLOWED, makeBundle } from '../../test/bundles.ts';
import { createDecisionDesk } from '../decide/decider.ts';
import { createEvaluator, type Evaluate } from '../decide/evaluator.ts';
import type { Grant } from '../grant.ts';
import { readBundle, unpackBundle } from './bundle.ts';
import { examineCandidate } from './candidate.ts';
import { createForce, type Force } from './force.ts';

const BUNDLE = { revision: '1', digest: 'a', activatedMs: 0, confirmedMs: 0 };

function forceOf(evaluate: Evaluate): Force {
  const parts = { metrics: createMetrics(), log: createLog('silent') };
  const desk = createDecisionDesk(parts);
  const force = createForce({ ...parts, desk, clock: () => 0, ageMaxMs: 1_000 });
  force.dispatch({ kind: 'candidate', digest: BUNDLE.digest });
  force.activate(BUNDLE, evaluate);
  return force;
}

function askAs(force: Force, sub: string): Grant {
  const claims = { sub, tenant: 'acme', roles: [], exp: 2_000_000_000 };
  return force.decider().decide({ action: 'range', claims, nowMs: 0 });
}

describe('recent inputs', () => {
  const subjectsIn = (force: Force) =>
    force.recentInputs().map((input) => (input as { subject: { sub: string } }).subject.sub);

  it('are those that the rules in force understood, in time: no caller can spoil every candidate', () => {
    const answers: Record<string, () => unknown> = {
      good: () => [{ result: ALLOWED }],
      undefined: () => [],
      nonsense: () => [{ result: { ...ALLOWED, allow: 'yes' } }],
      failing: () => {
        throw new Error('stack overflow');
      },
      slow: () => {
        for (const startMs = performance.now(); performance.now() - startMs < 60; );
        return [{ result: ALLOWED }];
      },
    };
    const force = forceOf((input) =>
      answers[(input as { subject: { sub: string } }).subject.sub]?.(),
    );
    for (const sub of Object.keys(answers)) askAs(force, sub);
    expect(subjectsIn(force)).toEqual(['good']);
  });

  it('are 32 at most, the last', () => {
    const force = forceOf(() => [{ result: ALLOWED }]);
    for (let n = 0; n < 100; n++) askAs(force, String(n));
    const last = Array.from({ length: 32 }, (_, n) => String(68 + n));
    expect(subjectsIn(force).sort()).toEqual(last);
  });

  it('leave a candidate alone that fails where the rules in force do, too', async () => {
    const memoryPagesMax = 32;
    const force = forceOf(createEvaluator(readBundle(unpackBundle(makeBundle())), memoryPagesMax));
    const { reason } = askAs(force, 'more than fits into 2 MiB'.repeat(100_000));
    expect(reason).toBe('the policy could not decide, which denies');
    expect(askAs(force, 'somebody').allow).toBe(true);
    const packed = makeBundle({ revision: '2' });
    const order = { packed, signature: undefined, floor: undefined, memoryPagesMax, nowMs: 0 };
    const examined = examineCandidate({ ...order, inputs: force.recentInputs() }, () => undefined);
    expect(await examined).toMatchObject({ revision: '2', decisions: { count: 76 } });
  });
});
