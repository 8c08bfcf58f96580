// One stretch of a plan: its rows are asked for here, and added to the tables of their series when they have come.
import type { Reading } from '../../sql/snapshot.ts';
import { selectPathRows } from '../../sql/statements/selectPathRows.ts';
import { selectReadings } from '../../sql/statements/selectReadings.ts';
import { selectRollupRows } from '../../sql/statements/selectRollupRows.ts';
import type { RollupStateRow } from '../../sql/statements/selectRollupStates.ts';
import { selectSketchRows } from '../../sql/statements/selectSketchRows.ts';
import { addM4Rows, addPoints, type M4Table } from './merge.ts';
import { addPathPoints, addPathRows, type PathTable } from './path.ts';
import type { RangeSegment } from './range.ts';
import { addSketchPoints, addSketchRows, type SketchTable } from './sketch.ts';

export type Family = RollupStateRow['family'];

/** What a series is merged into. */
export interface Tables {
  readonly m4: M4Table;
  readonly path: PathTable | undefined;
  readonly sketch: SketchTable | undefined;
}

export type TablesOf = ReadonlyMap<number, Tables>;

/** One of a plan's segments, and whom it serves: of a rollup one family, of raw points perhaps several. */
export interface Stretch extends RangeSegment {
  /** The rollup's name; undefined for raw points. */
  readonly rollup: string | undefined;
  readonly families: readonly Family[];
}

/** Equal for stretches that the same statement reads. */
export const keyOf = ({ rollup, startUs, endUs, families }: Stretch): string =>
  `${rollup} ${startUs} ${endUs} ${families}`;

/** What is read of each stretch. */
export interface Wanted {
  readonly ids: readonly number[];
  readonly stats: boolean;
}

/** Told of rows that were read of a stretch. */
export type Count = (rows: number, stretch: Stretch) => void;

/** Adds the rows that have come to the tables of their series; dense points it goes on reading. */
export type AddRows = (tables: TablesOf, count: Count) => Promise<void>;

/** Points that one statement reads of one series, so that dense ones come in slices. */
const POINTS_A_STATEMENT = 50_000;

/** Asks for the rows of one stretch. The statement is sent before this returns; its rows are added when that is called. */
export async function fetchStretch(
  snapshot: Reading,
  stretch: Stretch,
  { ids, stats }: Wanted,
): Promise<AddRows> {
  const { rollup, families, startUs, endUs } = stretch;
  if (rollup === undefined) return fetchPoints(snapshot, stretch, ids);
  switch (families[0]) {
    case 'path': {
      const series = await selectPathRows(snapshot, rollup, ids, startUs, endUs);
      return async (tables, count) => {
        for (const rows of series) {
          addPathRows(tables.get(rows.seriesId)!.path!, rows);
          count(rows.tFirst.length, stretch);
        }
      };
    }
    case 'sketch': {
      const series = await selectSketchRows(snapshot, rollup, ids, startUs, endUs);
      return async (tables, count) => {
        for (const rows of series) {
          addSketchRows(tables.get(rows.seriesId)!.sketch!, rows);
          count(rows.timesUs.length, stretch);
        }
      };
    }
    default: {
      const series = await selectRollupRows(snapshot, rollup, ids, startUs, endUs, stats);
      return async (tables, count) => {
        for (const rows of series) {
          addM4Rows(tables.get(rows.seriesId)!.m4, rows);
          count(rows.tFirst.length, stretch);
        }
      };
    }
  }
}

/** Raw points, which are added in the order of time. */
async function fetchPoints(
  snapshot: Reading,
  stretch: Stretch,
  ids: readonly number[],
): Promise<AddRows> {
  const { families, startUs, endUs } = stretch;
  const scan = { endUs, limit: POINTS_A_STATEMENT, qualities: false };
  const first = await selectReadings(snapshot, { ...scan, seriesIds: ids, startUs });
  return async (tables, count) => {
    let pending = first;
    while (pending.length > 0) {
      const following: typeof pending = [];
      for (const { seriesId, timesUs, values, more } of pending) {
        const { m4, path, sketch } = tables.get(seriesId)!;
        if (families.includes('m4')) addPoints(m4, timesUs, values);
        if (families.includes('path')) addPathPoints(path!, timesUs, values);
        if (families.includes('sketch')) addSketchPoints(sketch!, timesUs, values);
        count(timesUs.length, stretch);
        if (!more) continue;
        const rest = { ...scan, seriesIds: [seriesId], startUs: timesUs.at(-1)! + 1 };
        following.push(...(await selectReadings(snapshot, rest)));
      }
      pending = following;
    }
  };
}
