import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadingsRecord } from '../lib/feed/feed.ts';
import { createLatestTable, type LatestEntry } from './latest-table.ts';

const record = (points: readonly (readonly [id: number, timeUs: number, value: number])[]) =>
  ({
    kind: 'readings',
    seriesIds: points.map(([id]) => id),
    timesUs: points.map(([, timeUs]) => timeUs),
    values: points.map(([, , value]) => value),
    qualities: points.map(() => 0),
  }) satisfies ReadingsRecord;

const pointOf = (entry: LatestEntry | undefined) => entry && [entry.timeUs, entry.value];

describe('the newest points', () => {
  it('are not moved back by a late point, which may still be the first', () => {
    const table = createLatestTable(10, () => {});
    table.apply(record([[1, 100, 1]]), 1);
    table.apply(record([[1, 50, 2]]), 2);
    expect(table.get(1)).toMatchObject({ timeUs: 100, value: 1, firstUs: 50 });
  });

  it('take a correction at the same time', () => {
    const table = createLatestTable(10, () => {});
    table.apply(
      record([
        [1, 100, 1],
        [1, 100, 2],
      ]),
      1,
    );
    expect(pointOf(table.get(1))).toEqual([100, 2]);
  });

  it('stay bounded, and tell what was left out', () => {
    let leftOut = 0;
    const table = createLatestTable(2, () => leftOut++);
    table.apply(
      record([
        [1, 1, 1],
        [2, 1, 1],
        [3, 1, 1],
        [1, 2, 2],
      ]),
      1,
    );
    expect([table.size, leftOut, table.get(3)]).toEqual([2, 1, undefined]);
    expect(pointOf(table.get(1))).toEqual([2, 2]);
  });

  it('take what the database says over what came before a gap in the feed', () => {
    const table = createLatestTable(10, () => {});
    table.apply(
      record([
        [1, 100, 1],
        [2, 100, 1],
      ]),
      5,
    );
    table.apply(record([[2, 100, 7]]), 9);
    const stored = { timeUs: 100, value: 3, quality: 0, firstUs: 20 };
    table.load(1, stored, 6);
    table.load(2, stored, 6);
    expect(pointOf(table.get(1))).toEqual([100, 3]);
    expect(pointOf(table.get(2))).toEqual([100, 7]);
    expect(table.get(2)?.firstUs).toBe(20);
  });

  it('end as the database does, wherever in the feed it is read', () => {
    const commits = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 5 }), fc.nat(9)),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(
      fc.property(commits, fc.nat(), fc.nat(), (points, a, b) => {
        // Followed from `begin` on; the snapshot is opened somewhere later, and its rows come later still.
        const begin = a % points.length;
        const snapshotAt = begin + (b % (points.length - begin + 1));
        const table = createLatestTable(10, () => {});
        const newest = (upTo: number) => {
          const stored = new Map<number, LatestEntry>();
          for (const [id, timeUs, value] of points.slice(0, upTo)) {
            const before = stored.get(id);
            const firstUs = Math.min(timeUs, before?.firstUs ?? timeUs);
            const isNewest = timeUs >= (before?.timeUs ?? 0);
            const newer = isNewest ? { timeUs, value, quality: 0 } : before!;
            stored.set(id, { ...newer, firstUs });
          }
          return stored;
        };
        const loadAfter = Math.min(points.length, snapshotAt + 2);
        for (let index = begin; index < points.length; index++) {
          table.apply(record([points[index]!]), index + 1);
          if (index + 1 === loadAfter) {
            for (const [id, entry] of newest(snapshotAt)) table.load(id, entry, begin);
          }
        }
        if (loadAfter <= begin) for (const [id, e] of newest(snapshotAt)) table.load(id, e, begin);
        for (const [id, entry] of newest(points.length)) {
          expect(table.get(id)).toMatchObject(entry);
        }
      }),
      { numRuns: 500 },
    );
  });
});
