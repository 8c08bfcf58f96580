// Which stretches of which series have to be marked dirty for a batch's late readings. Pure.
import type { ReadingBatch } from './readings.ts';

const MINUTE_US = 60_000_000;

/** Marks are whole minutes: the finest rollup that is maintained by default has no use for less. */
export const DIRTY_GRAIN_US = MINUTE_US;
/** Late readings of one series with no more than this between them share a mark. */
export const GAP_MAX_US = 15 * MINUTE_US;
/** Beyond this many marks a batch's are joined over wider gaps: reading from raw costs more than refreshing does. */
const DIRTY_RANGES_MAX = 4096;

/** Half-open ranges of series, column by column; µs since 1970 UTC. */
export interface DirtyMarks {
  readonly seriesIds: number[];
  readonly startsUs: number[];
  readonly endsUs: number[];
}

/**
 * The marks for those of `rows` (sorted by series and time) that lie before `lateBeforeUs`, snapped outward to minutes.
 * At most `max` of them, or one a series where that is more.
 */
export function dirtyMarks(
  batch: ReadingBatch,
  rows: Int32Array,
  lateBeforeUs: number,
  max = DIRTY_RANGES_MAX,
): DirtyMarks {
  for (let gapMaxUs = GAP_MAX_US; ; gapMaxUs *= 8) {
    const marks = marksWithGap(batch, rows, lateBeforeUs, gapMaxUs);
    if (marks.seriesIds.length <= max || !Number.isFinite(gapMaxUs)) return marks;
  }
}

function marksWithGap(
  batch: ReadingBatch,
  rows: Int32Array,
  lateBeforeUs: number,
  gapMaxUs: number,
): DirtyMarks {
  const marks: DirtyMarks = { seriesIds: [], startsUs: [], endsUs: [] };
  let last = -1;
  for (const row of rows) {
    const timeUs = batch.timesUs[row]!;
    if (timeUs >= lateBeforeUs) continue;
    const id = batch.seriesIds[row]!;
    const startUs = Math.floor(timeUs / DIRTY_GRAIN_US) * DIRTY_GRAIN_US;
    if (last >= 0 && marks.seriesIds[last] === id && startUs - marks.endsUs[last]! <= gapMaxUs) {
      marks.endsUs[last] = startUs + DIRTY_GRAIN_US;
      continue;
    }
    last = marks.seriesIds.push(id) - 1;
    marks.startsUs.push(startUs);
    marks.endsUs.push(startUs + DIRTY_GRAIN_US);
  }
  return marks;
}
