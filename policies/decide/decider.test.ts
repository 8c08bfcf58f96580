import { expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { createDecider, createDecisionDesk } from './decider.ts';
import type { Decision, DecisionInput } from './decision.ts';

const QUESTION: DecisionInput = {
  action: 'range',
  nowMs: 1,
  claims: { sub: 'ann', tenant: 'acme', roles: [], exp: 1 },
};
const YES = [{ result: { allow: true, reason: 'yes', series: [[]], obligations: {} } }];

function deciderOf(evaluate: () => unknown) {
  const told: Decision[] = [];
  const desk = createDecisionDesk({
    ...{ metrics: createMetrics(), log: createLog('silent') },
    onDecision: (decision) => told.push(decision),
  });
  return { decider: createDecider(evaluate, '7', desk), told };
}

it('gives each decision an id of its own, of one length, in their order', () => {
  const { decider } = deciderOf(() => YES);
  const ids = Array.from({ length: 2_000 }, () => decider.decide(QUESTION).decisionId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids.map((id) => id.length)).size).toBe(1);
  expect(ids.toSorted()).toEqual(ids);
  const other = deciderOf(() => YES).decider.decide(QUESTION).decisionId;
  expect(ids).not.toContain(other);
});

it('tells what was asked, what came of it, and how long it took', () => {
  const { decider, told } = deciderOf(() => YES);
  const grant = decider.decide(QUESTION);
  expect(told).toEqual([{ input: QUESTION, grant, durationUs: expect.any(Number) }]);
});

it('tells what was wrong with a policy that failed', () => {
  const { decider, told } = deciderOf(() => {
    throw 'out of memory';
  });
  expect(decider.decide(QUESTION).allow).toBe(false);
  expect(told).toMatchObject([{ grant: { allow: false }, fault: 'out of memory' }]);
});
