import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseTimeUs } from '../ingest/decode/time.ts';

/** A time is read by its size; these are the units that `precision` may name. */
const UNITS = [
  ['s', 1_000_000n],
  ['ms', 1_000n],
  ['us', 1n],
] as const;

/** 1990-01-01, before which no reading is kept, and 2100. */
const FROM_US = BigInt(Date.UTC(1990, 0, 1)) * 1_000n;
const UNTIL_US = BigInt(Date.UTC(2100, 0, 1)) * 1_000n;

it('need not tell the precision: every time of 1990 to 2100 tells its unit by its size', () => {
  fc.assert(
    fc.property(fc.bigInt(FROM_US, UNTIL_US), (us) => {
      for (const [, perUnit] of UNITS) {
        const whole = us / perUnit;
        expect(parseTimeUs(Number(whole))).toBe(Number(whole * perUnit));
      }
      expect(parseTimeUs(Number(us * 1_000n))).toBeCloseTo(Number(us), -1);
    }),
  );
});
