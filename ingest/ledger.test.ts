import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLedger, OUTCOMES } from './ledger.ts';

it('keeps received equal to what is settled and in flight, whatever happens in whatever order', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('receive' as const), readings: fc.nat(1_000) }),
    fc.record({
      kind: fc.constant('settle' as const),
      outcome: fc.constantFrom(...OUTCOMES),
      readings: fc.nat(1_000),
    }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const ledger = createLedger();
      for (const one of steps) {
        if (one.kind === 'receive') ledger.receive(one.readings);
        else if (one.readings > ledger.inFlight) {
          expect(() => ledger.settle(one.outcome, one.readings)).toThrow();
        } else ledger.settle(one.outcome, one.readings);
        const totals = ledger.totals();
        const settled = OUTCOMES.reduce((sum, outcome) => sum + totals[outcome], 0);
        expect(totals.received).toBe(settled + ledger.inFlight);
      }
    }),
  );
});
