import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDecisionQueue, type Gap, type Recordable } from './decision-queue.ts';

function decision(nowMs: number, tenant = 'acme', selectors = 1): Recordable {
  return { input: { nowMs }, grant: { allow: true, tenant, selectors: Array(selectors).fill([]) } };
}

/** A tenant alone may have half of each. */
const LIMITS = { decisions: 6, selectors: 20, gaps: 2 };

describe('the queue of decisions', () => {
  it('keeps their order, and as many as it may', () => {
    const queue = createDecisionQueue(LIMITS);
    expect([1, 2, 3, 4].map((ms) => queue.push(decision(ms)))).toEqual([true, true, true, false]);
    expect(queue.oldest(2).map(({ input }) => input.nowMs)).toEqual([1, 2]);
    queue.drop(2);
    expect(queue.push(decision(5))).toBe(true);
    expect(queue.oldest(9).map(({ input }) => input.nowMs)).toEqual([3, 5]);
    expect(queue.takeGaps(9)).toEqual([{ tenant: 'acme', lost: 1, fromMs: 4, toMs: 4 }]);
  });

  it('is full by selectors, too', () => {
    const queue = createDecisionQueue(LIMITS);
    expect(queue.push(decision(1, 'acme', 8))).toBe(true);
    expect(queue.push(decision(2, 'acme', 3))).toBe(false);
    expect(queue.push(decision(3, 'acme', 2))).toBe(true);
    expect(queue.selectors).toBe(10);
  });

  it('leaves room for others, however much a tenant asks', () => {
    const queue = createDecisionQueue({ ...LIMITS, decisions: 12 });
    const pushed = (tenant: string) =>
      Array.from({ length: 20 }, (_, ms) => queue.push(decision(ms, tenant))).filter(Boolean);
    expect(['a', 'b', 'c', 'd'].map((tenant) => pushed(tenant).length)).toEqual([6, 3, 1, 1]);
    queue.drop(8);
    expect(queue.push(decision(30, 'a'))).toBe(true);
  });

  it('leaves selectors for others, too', () => {
    const queue = createDecisionQueue(LIMITS);
    expect(queue.push(decision(1, 'a', 11))).toBe(false);
    expect(queue.push(decision(2, 'a', 10))).toBe(true);
    expect(queue.push(decision(3, 'b', 6))).toBe(false);
    expect(queue.push(decision(4, 'b', 5))).toBe(true);
  });

  it('counts losses by tenant, those of tenants beyond its bound together', () => {
    const queue = createDecisionQueue({ ...LIMITS, decisions: 0 });
    for (const [ms, tenant] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [9, 'a'],
      [4, 'd'],
    ] as const) {
      queue.push(decision(ms, tenant));
    }
    expect(queue.gaps).toBe(3);
    const gaps: Gap[] = [
      { tenant: 'a', lost: 2, fromMs: 1, toMs: 9 },
      { tenant: 'b', lost: 1, fromMs: 2, toMs: 2 },
      { tenant: null, lost: 2, fromMs: 3, toMs: 4 },
    ];
    expect(queue.takeGaps(9)).toEqual(gaps);
    // They could not be written, and more was lost meanwhile.
    queue.push(decision(20, 'b'));
    queue.putBack(gaps);
    expect(queue.takeGaps(1)).toEqual([{ tenant: 'b', lost: 2, fromMs: 2, toMs: 20 }]);
    expect(queue.gaps).toBe(2);
  });

  it('loses nothing without counting it, and takes no more than it may', () => {
    const step = fc.oneof(
      fc.record({
        ...{ kind: fc.constant('push' as const), selectors: fc.nat(6) },
        tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      }),
      fc.record({ kind: fc.constant('drop' as const), count: fc.nat(4) }),
      fc.record({ kind: fc.constant('gaps' as const), count: fc.nat(3), back: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = createDecisionQueue(LIMITS);
        const waiting: Recordable[] = [];
        let lost = 0;
        let told = 0;
        steps.forEach((one, ms) => {
          if (one.kind === 'push') {
            const pushed = decision(ms, one.tenant, one.selectors);
            if (queue.push(pushed)) waiting.push(pushed);
            else lost += 1;
          } else if (one.kind === 'drop') {
            queue.drop(one.count);
            waiting.splice(0, one.count);
          } else {
            const gaps = queue.takeGaps(one.count);
            if (one.back) queue.putBack(gaps);
            else told += gaps.reduce((sum, gap) => sum + gap.lost, 0);
          }
          expect(queue.oldest(99)).toEqual(waiting);
          const selectors = waiting.reduce((sum, { grant }) => sum + grant.selectors.length, 0);
          expect([queue.size, queue.selectors]).toEqual([waiting.length, selectors]);
          expect(selectors).toBeLessThanOrEqual(LIMITS.selectors);
          expect(queue.gaps).toBeLessThanOrEqual(LIMITS.gaps + 1);
        });
        const left = queue.takeGaps(99).reduce((sum, gap) => sum + gap.lost, 0);
        expect(told + left).toBe(lost);
      }),
    );
  });
});
