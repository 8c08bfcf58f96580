import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createTouched, type Stretch } from './touched.ts';

function takeAll(touched: ReturnType<typeof createTouched>): Stretch[] {
  const all: Stretch[] = [];
  for (let one = touched.take(); one !== undefined; one = touched.take()) all.push(one);
  return all;
}

it('what touches becomes one stretch, of the series of both', () => {
  const touched = createTouched();
  touched.note(1, 10, 11);
  touched.note(2, 30, 40);
  touched.note(3, 11, 12);
  expect(takeAll(touched)).toEqual([
    { startUs: 10, endUs: 12, seriesIds: new Set([1, 3]) },
    { startUs: 30, endUs: 40, seriesIds: new Set([2]) },
  ]);
  expect(touched.size).toBe(0);
});

it('every change stands in one of a bounded number of stretches, in order of time', () => {
  const changes = fc.array(
    fc.record({
      id: fc.nat(5),
      startUs: fc.nat(10_000),
      lengthUs: fc.integer({ min: 1, max: 20 }),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(changes, (noted) => {
      const touched = createTouched();
      for (const { id, startUs, lengthUs } of noted) touched.note(id, startUs, startUs + lengthUs);
      const all = takeAll(touched);
      expect(all.length).toBeLessThanOrEqual(32);
      for (const [i, { startUs, endUs }] of all.entries()) {
        expect(startUs).toBeLessThan(endUs);
        expect(all[i + 1]?.startUs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(endUs);
      }
      for (const { id, startUs, lengthUs } of noted) {
        const has = (one: Stretch) =>
          one.startUs <= startUs && one.endUs >= startUs + lengthUs && one.seriesIds.has(id);
        expect(all.some(has)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
