import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import type { Grant, Obligations } from '../grant.ts';
import type { Decision } from './decision.ts';
import { loadPolicy } from './policy.ts';
import { sameObligations, sameSelectors, saysTheSame } from './renewal.ts';

const GRANT: Grant = {
  ...{ allow: true, reason: 'role viewer may tail', action: 'tail', decisionId: 'a-1' },
  ...{ revision: '1', tenant: 'acme' },
  selectors: [[{ label: 'asset', op: '=', value: 'rig-1' }]],
  obligations: { finest_step_ms: 60_000, redact: ['site'] },
};

describe('a decision that was taken again', () => {
  const others: [string, Partial<Grant>, boolean][] = [
    ['with another id', { decisionId: 'a-2' }, true],
    ['with equal parts', structuredClone(GRANT), true],
    ['that denies', { allow: false }, false],
    ['by other rules', { revision: '2' }, false],
    ['for another reason', { reason: 'role admin may tail' }, false],
    ['of another tenant', { tenant: 'zenith' }, false],
    ['about another action', { action: 'range' }, false],
    ['without selectors', { selectors: [] }, false],
    ['with one selector more', { selectors: [...GRANT.selectors, []] }, false],
    ['with another value', { selectors: [[{ label: 'asset', op: '=', value: 'rig-2' }]] }, false],
    [
      'with another operator',
      { selectors: [[{ label: 'asset', op: '!=', value: 'rig-1' }]] },
      false,
    ],
    ['with a wider obligation', { obligations: { finest_step_ms: 1, redact: ['site'] } }, false],
    ['with an obligation less', { obligations: { redact: ['site'] } }, false],
    ['that hides another label', { obligations: { finest_step_ms: 60_000, redact: [] } }, false],
  ];
  it.each(others)('%s: same is %#', (_, change, same) => {
    expect(saysTheSame(GRANT, { ...GRANT, ...change })).toBe(same);
    expect(saysTheSame({ ...GRANT, ...change }, GRANT)).toBe(same);
  });

  it('compares as its JSON does', () => {
    const name = fc.constantFrom('a', 'b');
    const matcher = fc.record({
      ...{ label: name, value: name },
      op: fc.constantFrom<'=' | '=~'>('=', '=~'),
    });
    const selectors = fc.array(fc.array(matcher, { maxLength: 2 }), { maxLength: 2 });
    fc.assert(
      fc.property(selectors, selectors, (a, b) => {
        const text = (list: typeof a) =>
          JSON.stringify(list.map((one) => one.map((m) => [m.label, m.op, m.value])));
        expect(sameSelectors(a, b)).toBe(text(a) === text(b));
      }),
    );
  });

  it('does not look at the order of obligations', () => {
    const a: Obligations = { delay_ms: 1, lookback_ms: 2 };
    expect(sameObligations(a, { lookback_ms: 2, delay_ms: 1 })).toBe(true);
    expect(sameObligations(a, { lookback_ms: 2, max_points: 1 })).toBe(false);
  });
});

it('is not told of again, nor is one that nobody asked for; what changed is', async () => {
  const decisions: Decision[] = [];
  const policy = await loadPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: Date.now },
    onDecision: (decision) => decisions.push(decision),
  });
  const claims = { sub: 'ann', tenant: 'acme', roles: ['viewer'], exp: 9e9 };
  const question = { action: 'range', claims, nowMs: Date.now() } as const;
  const first = policy.decide(question);
  expect(policy.decide({ ...question, nowMs: Date.now() + 1_000, renews: first })).toBe(first);
  const demoted = { ...claims, roles: ['nobody'] };
  const denied = policy.decide({ ...question, claims: demoted, renews: first });
  expect(denied).toMatchObject({ allow: false });
  expect(policy.decide({ ...question, claims: demoted, renews: denied })).toBe(denied);
  const asked = policy.decide({ ...question, hypothetical: true });
  expect(asked).not.toBe(first);
  expect(decisions.map(({ grant }) => grant)).toEqual([first, denied]);
});
