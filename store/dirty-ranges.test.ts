import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIRTY_GRAIN_US, dirtyMarks } from './dirty-ranges.ts';
import { sortReadings } from './sort-readings.ts';
import { batchOf } from './testing.ts';

const MINUTE = 60_000_000;

function marksOf(rows: readonly { id: number; t: number }[], lateBeforeUs: number, max?: number) {
  const batch = batchOf(rows.map((row) => ({ ...row, v: 1 })));
  const marks = dirtyMarks(batch, sortReadings(batch).numbers.rows, lateBeforeUs, max);
  return marks.seriesIds.map((id, i) => [
    id,
    marks.startsUs[i]! / MINUTE,
    marks.endsUs[i]! / MINUTE,
  ]);
}

describe('marks for late readings', () => {
  it.each([
    ['none is late', [{ id: 1, t: 5 * MINUTE }], 5 * MINUTE, []],
    ['one is, by a microsecond', [{ id: 1, t: 5 * MINUTE }], 5 * MINUTE + 1, [[1, 5, 6]]],
    [
      'neighbours share a mark',
      [0, 1, 2, 9].map((m) => ({ id: 1, t: m * MINUTE })),
      1e18,
      [[1, 0, 10]],
    ],
    [
      'distant ones do not',
      [0, 60].map((m) => ({ id: 1, t: m * MINUTE })),
      1e18,
      [
        [1, 0, 1],
        [1, 60, 61],
      ],
    ],
    [
      'series never do',
      [1, 2].map((id) => ({ id, t: 0 })),
      1e18,
      [
        [1, 0, 1],
        [2, 0, 1],
      ],
    ],
    ['before 1970 too', [{ id: 1, t: -1 }], 0, [[1, -1, 0]]],
  ])('%s', (_name, rows, lateBeforeUs, expected) => {
    expect(marksOf(rows, lateBeforeUs)).toEqual(expected);
  });

  it('are joined over wider gaps where there would be too many', () => {
    const rows = Array.from({ length: 100 }, (_, hour) => ({ id: 1, t: hour * 60 * MINUTE }));
    expect(marksOf(rows, 1e18)).toHaveLength(100);
    expect(marksOf(rows, 1e18, 10)).toEqual([[1, 0, 99 * 60 + 1]]);
    const series = Array.from({ length: 20 }, (_, id) => ({ id, t: 0 }));
    expect(marksOf(series, 1e18, 10)).toHaveLength(20);
  });

  it('cover every late reading, never touch two of one series, and are whole minutes', () => {
    const row = fc.record({ id: fc.integer({ min: 1, max: 3 }), t: fc.nat(500 * MINUTE) });
    fc.assert(
      fc.property(fc.array(row), fc.nat(500 * MINUTE), (rows, lateBeforeUs) => {
        const marks = marksOf(rows, lateBeforeUs).map(([id, start, end]) => ({
          id,
          start: start! * MINUTE,
          end: end! * MINUTE,
        }));
        for (const { id, t } of rows.filter(({ t }) => t < lateBeforeUs)) {
          const covering = marks.filter((m) => m.id === id && m.start <= t && t < m.end);
          expect(covering).toHaveLength(1);
        }
        for (const { start, end } of marks) {
          expect([start % DIRTY_GRAIN_US, end % DIRTY_GRAIN_US]).toEqual([0, 0]);
        }
      }),
    );
  });
});
