// What ranges are asked of: 1-second readings of some series, their rollups as the refresher makes them, and old chunks of
// rollups compressed as it would have them after a while.
import { compressRollupChunk } from '../../sql/statements/compressRollupChunk.ts';
import { withClient } from '../../sql/transaction.ts';
import { COMPRESS_AGE_MS, COMPRESS_BYTES_MAX, startRefresher } from '../../store/refresher.ts';
import type { BenchContext } from '../case.ts';
import { createSeries, type Ground } from '../setup.ts';

const SECOND_MS = 1_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

const SERIES = 10;
/** The first series has a year; the others a month. Both and a day more, as ranges end at different times. */
const YEAR_MS = 366 * DAY_MS;
const MONTH_MS = 31 * DAY_MS;

/** So far back from the end of the data there is a reading in every interval. */
interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalMs: number;
}

const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
/** As far back as quick ranges read raw points: ten hours of one series, an hour of ten, ending at different times. */
const RAW_MS = { one: 13 * HOUR_MS, ten: 3 * HOUR_MS } as const;

/**
 * Whether a series has a reading a second for a month: three million take the embedded engine most of a minute, so quick
 * data there has none such.
 */
export function isDense(series: number, { quick, embedded }: DataSize): boolean {
  return !quick || (series === 0 && !embedded);
}

export interface DataSize {
  readonly quick: boolean;
  readonly embedded: boolean;
}

/**
 * A reading a second for a month, or wherever raw points are read. Elsewhere so many that a rollup has as many rows as it
 * would have.
 */
function stretchesOf(series: number, size: DataSize): Stretch[] {
  const rawMs = RAW_MS[series === 0 ? 'one' : 'ten'];
  const month: Stretch[] = isDense(series, size)
    ? [{ fromMs: MONTH_MS, toMs: 0, intervalMs: SECOND_MS }]
    : [
        { fromMs: MONTH_MS, toMs: 13 * DAY_MS, intervalMs: QUARTER_MS },
        { fromMs: 13 * DAY_MS, toMs: rawMs, intervalMs: MINUTE_MS },
        { fromMs: rawMs, toMs: 0, intervalMs: SECOND_MS },
      ];
  if (series > 0) return month;
  return [{ fromMs: YEAR_MS, toMs: MONTH_MS, intervalMs: QUARTER_MS }, ...month];
}

export interface RangeData {
  /** By index, as `channelOf` names them. */
  readonly seriesIds: readonly number[];
  /** There is nothing from here on. */
  readonly endMs: number;
}

/** Writes readings, has their rollups made, and compresses what is old of them. */
export async function fillRangeData(ground: Ground, context: BenchContext): Promise<RangeData> {
  const { database, metrics } = ground;
  const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const seriesIds = [...(await createSeries(ground, SERIES, (endMs - YEAR_MS) * 1_000))];
  context.note('range: writing readings');
  const size = { quick: context.quick, embedded: database.embedded };
  for (const [index, id] of seriesIds.entries()) {
    for (const stretch of stretchesOf(index, size)) await write(ground, id, endMs, stretch);
  }
  context.note('range: refreshing and compressing rollups');
  const refresher = context.lifecycle.add(
    startRefresher({
      ...{ database, log: context.log, metrics, clock: Date.now },
      // Nobody waits beside it: as large slices as there are.
      ...{ sliceMaxMs: 10_000, budgetMs: 600_000 },
    }),
  );
  await refresher.refreshNow();
  await refresher.stop();
  const bytesMax = COMPRESS_BYTES_MAX[database.embedded ? 'embedded' : 'native'];
  await withClient(database, async (client) => {
    while (await compressRollupChunk(client, COMPRESS_AGE_MS, bytesMax));
    await client.query('vacuum analyze');
  });
  return { seriesIds, endMs };
}

/** Made by the server, a week at a time: a slow wave with noise on it. */
async function write(
  { database }: Ground,
  seriesId: number,
  endMs: number,
  { fromMs, toMs, intervalMs }: Stretch,
): Promise<void> {
  for (let ageMs = fromMs; ageMs > toMs; ageMs -= 7 * DAY_MS) {
    const startS = (endMs - ageMs) / SECOND_MS;
    const stopS = (endMs - Math.max(toMs, ageMs - 7 * DAY_MS)) / SECOND_MS;
    await database.writer.query(
      `insert into tailrace.reading (series_id, time, value)
       select $1::int4, to_timestamp(s), 50 * sin(s / 5e4::float8) + 5 * sin(s * 0.7::float8)
       from generate_series($2::int8, $3::int8 - 1, $4::int8) s`,
      [seriesId, startS, stopS, intervalMs / SECOND_MS],
    );
  }
}
