import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformBuckets } from './buckets.ts';
import {
  addSketchPoints,
  addSketchRows,
  createSketchTable,
  QUANTILES,
  quantileColumns,
  sketchBucket,
  sketchValue,
} from './sketch.ts';

const buckets = uniformBuckets({ stepUs: 60, originUs: 0 }, 0, 60);
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }),
  fc.integer({ min: -100, max: 100 }),
  fc.constantFrom(0, -0, 5e-324, 1e-300),
);

describe('a sketch of values', () => {
  it('gives each value back within 1 %', () => {
    fc.assert(
      fc.property(value, (x) => {
        const error = Math.abs(sketchValue(sketchBucket(x)) - x);
        expect(error).toBeLessThanOrEqual(Math.abs(x) * 0.010000001 + 2.3e-308);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps the order of values', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        if (a <= b) expect(sketchBucket(a)).toBeLessThanOrEqual(sketchBucket(b));
      }),
    );
  });

  it('gives exact quantiles of points, and within 1 % of those of their ranks of rows, or of both', () => {
    const list = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), {
      minLength: 1,
      maxLength: 80,
    });
    fc.assert(
      fc.property(
        list,
        fc.constantFrom('p50' as const, 'p90' as const, 'p95' as const, 'p99' as const),
        (values, name) => {
          const times = new Float64Array(values.length).fill(7);
          const direct = createSketchTable(buckets);
          addSketchPoints(direct, times, Float64Array.from(values));
          const merged = createSketchTable(buckets);
          addSketchRows(merged, {
            timesUs: times,
            valueBuckets: Int32Array.from(values, sketchBucket),
            counts: new Float64Array(values.length).fill(1),
          });
          const sorted = values.toSorted((a, b) => a - b);
          const rank = QUANTILES[name] * (sorted.length - 1);
          const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
          const exact = low + (high - low) * (rank - Math.floor(rank));
          const extremes = {
            min: Float64Array.of(sorted[0]!),
            max: Float64Array.of(sorted.at(-1)!),
          };
          const mixed = createSketchTable(buckets);
          addSketchRows(mixed, {
            timesUs: times.subarray(1),
            valueBuckets: Int32Array.from(values.slice(1), sketchBucket),
            counts: new Float64Array(values.length - 1).fill(1),
          });
          addSketchPoints(mixed, times.subarray(0, 1), Float64Array.from(values.slice(0, 1)));
          for (const [table, error] of [
            [direct, 1e-12],
            [merged, 0.010000001],
            [mixed, 0.010000001],
          ] as const) {
            const [found] = quantileColumns(table, Float64Array.of(0), extremes)[name];
            expect(Math.abs(found! - exact)).toBeLessThanOrEqual(error * exact);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
