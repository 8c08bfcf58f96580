import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortReadings } from './sort-readings.ts';
import { batchOf } from './testing.ts';

const rows = fc.array(
  fc.record({
    // Near one another, and so far apart that they differ in every digit.
    id: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
    t: fc.integer({ min: 0, max: 20 }),
    v: fc.oneof(fc.double({ noNaN: true }), fc.string()),
  }),
  { maxLength: 60 },
);

describe('sorting a batch', () => {
  it('orders by series, time and receipt, and parts numbers from states', () => {
    fc.assert(
      fc.property(rows, (given) => {
        const sorted = sortReadings(batchOf(given));
        const expected = given
          .map((row, index) => ({ ...row, index }))
          .sort((a, b) => a.id - b.id || a.t - b.t || a.index - b.index);
        const indexes = (type: string) =>
          expected.filter(({ v }) => typeof v === type).map(({ index }) => index);
        for (const [type, run] of [
          ['number', sorted.numbers],
          ['string', sorted.states],
        ] as const) {
          expect([...run.rows]).toEqual(indexes(type));
          const keys = new Set(
            indexes(type).map((index) => `${given[index]?.id}@${given[index]?.t}`),
          );
          expect(run.distinct).toBe(keys.size === run.rows.length);
        }
      }),
    );
  });

  it('takes only the rows that are named', () => {
    const batch = batchOf([
      { id: 2, t: 5, v: 1 },
      { id: 1, t: 5, v: 1 },
      { id: 1, t: 4, v: 1 },
    ]);
    expect([...sortReadings(batch, Int32Array.of(0, 1)).numbers.rows]).toEqual([1, 0]);
  });
});
