import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortReadings } from './sort-readings.ts';
import { batchOf } from './testing.ts';

const rows = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 6 }),
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
        expect([...sorted.numbers]).toEqual(indexes('number'));
        expect([...sorted.states]).toEqual(indexes('string'));
      }),
    );
  });

  it('takes only the rows that are named', () => {
    const batch = batchOf([
      { id: 2, t: 5, v: 1 },
      { id: 1, t: 5, v: 1 },
      { id: 1, t: 4, v: 1 },
    ]);
    expect([...sortReadings(batch, Int32Array.of(0, 1)).numbers]).toEqual([1, 0]);
  });
});
