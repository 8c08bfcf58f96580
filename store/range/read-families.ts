// What one snapshot has of number series: each family that is asked for from the levels of its own plan, and stretches of
// raw points once for all families that are served by them.
import type { Reading } from '../../sql/snapshot.ts';
import { selectDirtyRanges } from '../../sql/statements/selectDirtyRanges.ts';
import { selectPathRows } from '../../sql/statements/selectPathRows.ts';
import { selectReadings } from '../../sql/statements/selectReadings.ts';
import { selectReadingsBefore } from '../../sql/statements/selectReadingsBefore.ts';
import { selectRollupRows } from '../../sql/statements/selectRollupRows.ts';
import {
  type RollupStateRow,
  selectRollupStates,
} from '../../sql/statements/selectRollupStates.ts';
import { selectSketchRows } from '../../sql/statements/selectSketchRows.ts';
import type { Buckets } from './buckets.ts';
import type { Explanation } from './explain.ts';
import {
  addM4Rows,
  addPoints,
  createM4Table,
  filledSlots,
  type M4Table,
  m4Columns,
} from './merge.ts';
import {
  addPathPoints,
  addPathRows,
  createPathTable,
  type PathTable,
  pathColumns,
} from './path.ts';
import { isComplete, overlaySegments, planRange, RAW_LEVEL, type RollupState } from './plan.ts';
import type { M4Columns, RangeRequest, RangeSegment } from './range.ts';
import {
  addSketchPoints,
  addSketchRows,
  createSketchTable,
  quantileColumns,
  type SketchTable,
} from './sketch.ts';
import { sumFromPoints } from './sums.ts';

type Family = RollupStateRow['family'];

/** What a series is merged into. */
interface Tables {
  readonly m4: M4Table;
  readonly path: PathTable | undefined;
  readonly sketch: SketchTable | undefined;
}

export interface FamiliesRead {
  readonly rollups: readonly RollupState[];
  /** Of all families: where they differ, the finest level stands. */
  readonly segments: readonly RangeSegment[];
  readonly columns: ReadonlyMap<number, M4Columns>;
  /** False where something that is asked for has been dropped. */
  readonly complete: boolean;
}

/** One of a plan's segments, and whom it serves: of a rollup one family, of raw points perhaps several. */
interface Stretch extends RangeSegment {
  /** The rollup's name; undefined for raw points. */
  readonly rollup: string | undefined;
  readonly families: readonly Family[];
}

/** Told of rows that were read of a stretch. */
type Count = (rows: number, stretch: Stretch) => void;

/** Points that one statement reads of one series, so that dense ones come in slices. */
const POINTS_A_STATEMENT = 50_000;

/** Reads the number series `ids` of a request whose domain is whole buckets. */
export async function readFamilies(
  snapshot: Reading,
  request: RangeRequest,
  ids: readonly number[],
  buckets: Buckets,
  countRows: (rows: number) => void,
  explanation?: Explanation,
): Promise<FamiliesRead> {
  const { startUs, endUs, stats = false, path = false, sketch = false } = request;
  const { earliestUs = Number.NEGATIVE_INFINITY } = request;
  // Sent one after another without waiting: the connection answers them in turn.
  const [rollups, dirty, before] = await Promise.all([
    selectRollupStates(snapshot),
    selectDirtyRanges(snapshot, ids, startUs, endUs),
    path ? selectReadingsBefore(snapshot, ids, startUs, earliestUs) : [],
  ]);
  const pointBefore = new Map(before.map((point) => [point.seriesId, point]));
  const tables = new Map(
    ids.map((id): [number, Tables] => [
      id,
      {
        m4: createM4Table(buckets, stats),
        path: path ? createPathTable(buckets, pointBefore.get(id)) : undefined,
        sketch: sketch ? createSketchTable(buckets) : undefined,
      },
    ]),
  );
  const families: Family[] = ['m4', ...(path ? ['path' as const] : [])];
  if (sketch) families.push('sketch');
  const plans = families.map((family) => {
    const own = rollups.filter((rollup) => rollup.family === family);
    return { family, rollups: own, ...planRange({ buckets, rollups: own, dirty }) };
  });
  for (const { family, segments } of plans) explanation?.planned(family, segments, ids.length);
  const count: Count = (rows, stretch) => {
    countRows(rows);
    explanation?.counted(stretch.families, stretch, rows);
  };
  const stretches = gatherStretches(plans);
  const isOrdered = ({ families: served }: Stretch) => served.includes('path');
  const read = (stretch: Stretch) => readStretch(snapshot, stretch, tables, count);
  await Promise.all([
    ...stretches.filter((stretch) => !isOrdered(stretch)).map(read),
    inTurn(stretches.filter(isOrdered), read),
  ]);
  await sumFromPoints(snapshot, new Map([...tables].map(([id, { m4 }]) => [id, m4])), countRows);
  return {
    rollups,
    segments: overlay(plans, rollups),
    complete: plans.every((plan) => isComplete(plan.segments, plan.rollups)),
    columns: new Map([...tables].map(([id, table]) => [id, columnsOf(table)])),
  };
}

/** A path needs its points in their order. */
async function inTurn<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (const one of all) await work(one);
}

interface FamilyPlan {
  readonly family: Family;
  readonly rollups: readonly RollupState[];
  readonly segments: readonly RangeSegment[];
}

/** All segments in the order of time; equal ones of raw points are one. */
function gatherStretches(plans: readonly FamilyPlan[]): Stretch[] {
  const stretches = new Map<string, Stretch>();
  for (const { family, rollups, segments } of plans) {
    for (const segment of segments) {
      const rollup = rollups.find(({ level }) => level === segment.level)?.name;
      const key = `${rollup} ${segment.startUs} ${segment.endUs}`;
      const families = [...(stretches.get(key)?.families ?? []), family];
      stretches.set(key, { ...segment, rollup, families });
    }
  }
  return [...stretches.values()].sort((a, b) => a.startUs - b.startUs);
}

/** Adds the rows of one stretch to the tables of their series. */
async function readStretch(
  snapshot: Reading,
  stretch: Stretch,
  tables: ReadonlyMap<number, Tables>,
  count: Count,
): Promise<void> {
  const { rollup, families, startUs, endUs } = stretch;
  if (rollup === undefined) return readPoints(snapshot, stretch, tables, count);
  const ids = [...tables.keys()];
  switch (families[0]) {
    case 'path':
      for (const rows of await selectPathRows(snapshot, rollup, ids, startUs, endUs)) {
        addPathRows(tables.get(rows.seriesId)!.path!, rows);
        count(rows.tFirst.length, stretch);
      }
      return;
    case 'sketch':
      for (const rows of await selectSketchRows(snapshot, rollup, ids, startUs, endUs)) {
        addSketchRows(tables.get(rows.seriesId)!.sketch!, rows);
        count(rows.timesUs.length, stretch);
      }
      return;
    default: {
      const stats = [...tables.values()].some(({ m4 }) => m4.stats !== undefined);
      for (const rows of await selectRollupRows(snapshot, rollup, ids, startUs, endUs, stats)) {
        addM4Rows(tables.get(rows.seriesId)!.m4, rows);
        count(rows.tFirst.length, stretch);
      }
    }
  }
}

/** Adds raw points, in the order of time. */
async function readPoints(
  snapshot: Reading,
  stretch: Stretch,
  tables: ReadonlyMap<number, Tables>,
  count: Count,
): Promise<void> {
  const { families, startUs, endUs } = stretch;
  const scan = { endUs, limit: POINTS_A_STATEMENT, qualities: false };
  let pending = await selectReadings(snapshot, { ...scan, seriesIds: [...tables.keys()], startUs });
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
}

function columnsOf({ m4, path, sketch }: Tables): M4Columns {
  const slots = filledSlots(m4);
  return {
    ...m4Columns(m4),
    ...(path && { path: pathColumns(path, slots) }),
    ...(sketch && { quantiles: quantileColumns(sketch, slots, m4) }),
  };
}

function overlay(
  plans: readonly FamilyPlan[],
  rollups: readonly RollupState[],
): readonly RangeSegment[] {
  const bucketUs = new Map(rollups.map((rollup) => [rollup.level, rollup.bucketUs]));
  const widthOf = (level: string) => (level === RAW_LEVEL ? 0 : (bucketUs.get(level) ?? 0));
  const finer = (a: string, b: string) => (widthOf(a) <= widthOf(b) ? a : b);
  const [first, ...others] = plans.map(({ segments }) => segments);
  return others.reduce((all, next) => overlaySegments(all, next, finer), first ?? []);
}
