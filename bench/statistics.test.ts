import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, percentile, ratioToCeiling, spread } from './statistics.ts';

const samples = fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1 });

describe('median', () => {
  it.each([
    [[3], 3],
    [[1, 2], 1.5],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('has as many samples below as above', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });

  it('refuses to speak of no samples', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('spread', () => {
  it.each([
    [[5, 5, 5], 0],
    [[8, 10, 12], 0.4],
    [[0, 0], 0],
  ])('of %j is %d', (values, expected) => {
    expect(spread(values)).toBeCloseTo(expected, 12);
  });

  it('does not depend on the unit', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const inThousands = spread(values.map((value) => value * 1000));
        expect(inThousands).toBeCloseTo(spread(values), 6);
      }),
    );
  });
});

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);

  it.each([
    [0.5, 50],
    [0.95, 95],
    [1, 100],
    [0.001, 1],
  ])('%d of 1 to 100 is %d', (fraction, expected) => {
    expect(percentile(hundred, fraction)).toBe(expected);
  });

  it('is always one of the samples', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, fraction) => {
        expect(values).toContain(percentile(values, fraction));
      }),
    );
  });
});

describe('the ratio to the ceiling', () => {
  it.each([
    ['more', 60, 100, 0.6],
    ['less', 100, 60, 0.6],
    ['more', 100, 100, 1],
  ] as const)('where %s is better: %d of %d is %d', (better, value, ceiling, expected) => {
    expect(ratioToCeiling(value, ceiling, better)).toBeCloseTo(expected, 12);
  });
});
