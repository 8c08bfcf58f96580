// Sums that no rollup has. The square of a value beyond 1e140 may overflow, which PostgreSQL takes for an error, so rollups
// say NaN of the sums of its bucket (and all else of it rightly): such buckets are summed from their points.
import type { Reading } from '../../sql/snapshot.ts';
import { selectReadings } from '../../sql/statements/selectReadings.ts';
import { edgeUs } from './buckets.ts';
import { addStats, countBetween, forgetStats, type M4Table, unsummedSlots } from './merge.ts';

/** Points of one series that are read for it; where there are more between its first such bucket and its last, NaN stays. */
const POINTS_MAX = 500_000;
const POINTS_A_STATEMENT = 50_000;

/** Sums what rollups left out; `count` is told of the points that were read. */
export async function sumFromPoints(
  snapshot: Reading,
  tables: ReadonlyMap<number, M4Table>,
  count: (points: number) => void,
): Promise<void> {
  for (const [seriesId, table] of tables) {
    const slots = unsummedSlots(table);
    const [first, last] = [slots[0], slots.at(-1)];
    if (first === undefined || last === undefined) continue;
    if (countBetween(table, slots) > POINTS_MAX) continue;
    forgetStats(table, slots);
    const wanted = new Set(slots);
    const endUs = edgeUs(table.buckets, last + 1);
    const scan = { seriesIds: [seriesId], endUs, limit: POINTS_A_STATEMENT, qualities: false };
    for (let startUs = edgeUs(table.buckets, first); startUs < endUs; ) {
      const [rows] = await selectReadings(snapshot, { ...scan, startUs });
      if (rows === undefined) break;
      addStats(table, wanted, rows.timesUs, rows.values);
      count(rows.timesUs.length);
      startUs = rows.more ? rows.timesUs.at(-1)! + 1 : endUs;
    }
  }
}
