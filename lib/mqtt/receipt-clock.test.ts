import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createReceiptClock } from './receipt-clock.ts';

it('never gives a time twice, follows the clock, and does not go back with it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1_000, max: 1_010 })), (timesMs) => {
      const left = [...timesMs];
      const nowUs = createReceiptClock(() => left.shift() ?? 0);
      let lastUs = 0;
      for (const ms of timesMs) {
        const us = nowUs();
        expect(us).toBeGreaterThan(lastUs);
        expect(us).toBeGreaterThanOrEqual(ms * 1000);
        expect(us).toBeLessThan(1_010_000 + timesMs.length);
        lastUs = us;
      }
    }),
  );
});
