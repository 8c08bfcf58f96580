// What families of rollups cost the refresher: path and sketch of a day of readings, beside m4, which is always kept up.
// By this it was decided which of them are on by default (ROLLUP_FAMILIES).

import { mergeRollup } from '../../sql/statements/mergeRollup.ts';
import {
  type MaintainedRollup,
  selectMaintainedRollups,
} from '../../sql/statements/selectMaintainedRollups.ts';
import type { Client } from '../../sql/transaction.ts';
import { withClient } from '../../sql/transaction.ts';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { createSeries, prepareGround, seedSeries } from '../setup.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const INTERVAL_MS = 1_000;
/** Whole buckets of every level but the day's, and about as much as the refresher takes in some slices. */
const SLICE_MS = 4 * HOUR_MS;

type Family = MaintainedRollup['family'];

/** Fills a database with 1-second readings of some series. */
export async function openRefresh(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const { database, versions } = ground;
  const startMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS;
  const seriesIds = [...(await createSeries(ground, context.quick ? 2 : 5, startMs * 1_000))];
  for (const id of seriesIds) {
    await seedSeries(database, id, { startMs, endMs: startMs + DAY_MS, intervalMs: INTERVAL_MS });
  }
  await database.writer.query(
    'update tailrace.rollup set maintained = true where bucket_ms >= 60000',
  );
  const rollups = await withClient(database, selectMaintainedRollups);
  const readings = (seriesIds.length * DAY_MS) / INTERVAL_MS;
  const speedOf = (family: Family) =>
    withClient(database, async (client) => {
      const tookMs = await remake(client, rollups, family, seriesIds, startMs);
      return (readings / tookMs) * 1_000;
    });
  const cases = (['path', 'sketch'] as const).map(
    (family): BenchCase => ({
      name: `refresh/${family}`,
      unit: 'readings/s',
      better: 'more',
      run: () => speedOf(family),
      ceiling: { name: 'the family m4 of the same readings', run: () => speedOf('m4') },
    }),
  );
  return { cases, versions };
}

/** Makes every level of a family anew for the day, the finer before the coarser; gives how long that took, in ms. */
async function remake(
  client: Client,
  rollups: readonly MaintainedRollup[],
  family: Family,
  seriesIds: readonly number[],
  startMs: number,
): Promise<number> {
  const levels = rollups
    .filter((rollup) => rollup.family === family)
    .sort((a, b) => a.bucketUs - b.bucketUs);
  const beganMs = performance.now();
  for (const level of levels) {
    const sliceMs = Math.max(SLICE_MS, level.bucketUs / 1_000);
    for (let atMs = startMs; atMs < startMs + DAY_MS; atMs += sliceMs) {
      const [startUs, endUs] = [atMs * 1_000, (atMs + sliceMs) * 1_000];
      await mergeRollup(client, level, { seriesIds, startUs, endUs });
    }
  }
  return performance.now() - beganMs;
}
