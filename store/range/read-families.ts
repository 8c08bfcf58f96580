// What one snapshot has of number series: each family that is asked for from the levels of its own plan, and stretches of
// raw points once for all families that are served by them.
import type { Reading } from '../../sql/snapshot.ts';
import { selectDirtyRanges } from '../../sql/statements/selectDirtyRanges.ts';
import { selectReadingsBefore } from '../../sql/statements/selectReadingsBefore.ts';
import { selectRollupStates } from '../../sql/statements/selectRollupStates.ts';
import type { Buckets } from './buckets.ts';
import type { Explanation } from './explain.ts';
import type { FamilyRollup, Forecast } from './forecast.ts';
import { createM4Table, filledSlots, m4Columns } from './merge.ts';
import { createPathTable, pathColumns } from './path.ts';
import {
  type DirtyRange,
  isComplete,
  overlaySegments,
  planRange,
  RAW_LEVEL,
  type RollupState,
} from './plan.ts';
import type { M4Columns, RangeRequest, RangeSegment } from './range.ts';
import { createSketchTable, quantileColumns } from './sketch.ts';
import {
  type AddRows,
  type Count,
  type Family,
  fetchStretch,
  keyOf,
  type Stretch,
  type Tables,
  type Wanted,
} from './stretch.ts';
import { sumFromPoints } from './sums.ts';

export interface FamiliesRead {
  readonly rollups: readonly RollupState[];
  /** Of all families: where they differ, the finest level stands. */
  readonly segments: readonly RangeSegment[];
  readonly columns: ReadonlyMap<number, M4Columns>;
  /** False where something that is asked for has been dropped. */
  readonly complete: boolean;
}

/** Reads the number series `ids` of a request whose domain is whole buckets. */
export async function readFamilies(
  snapshot: Reading,
  request: RangeRequest,
  ids: readonly number[],
  buckets: Buckets,
  countRows: (rows: number) => void,
  forecast: Forecast,
  explanation?: Explanation,
): Promise<FamiliesRead> {
  const { startUs, endUs, stats = false, path = false, sketch = false } = request;
  const { earliestUs = Number.NEGATIVE_INFINITY } = request;
  const families: Family[] = ['m4', ...(path ? ['path' as const] : [])];
  if (sketch) families.push('sketch');
  // Sent one after another without waiting: the connection answers them in turn.
  const asked = Promise.all([
    selectRollupStates(snapshot),
    selectDirtyRanges(snapshot, ids, startUs, endUs),
    path ? selectReadingsBefore(snapshot, ids, startUs, earliestUs) : [],
  ]);
  const fetch = fetcher(snapshot, { ids, stats });
  // Statements of a wrong forecast would be told as if they had been needed.
  const expected = explanation === undefined ? forecast.rollupsFor(ids) : undefined;
  if (expected !== undefined) {
    gatherStretches(planFamilies(families, buckets, expected, [])).forEach(fetch);
  }
  const [rollups, dirty, before] = await asked;
  forecast.saw(rollups, ids, dirty.length > 0);

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
  const plans = planFamilies(families, buckets, rollups, dirty);
  for (const { family, segments } of plans) explanation?.planned(family, segments, ids.length);
  const count: Count = (rows, stretch) => {
    countRows(rows);
    explanation?.counted(stretch.families, stretch, rows);
  };
  const stretches = gatherStretches(plans).map((stretch) => ({ stretch, rows: fetch(stretch) }));
  // In the order of time, which a path needs.
  for (const { rows } of stretches) await (await rows)(tables, count);
  await sumFromPoints(snapshot, new Map([...tables].map(([id, { m4 }]) => [id, m4])), countRows);
  return {
    rollups,
    segments: overlay(plans, rollups),
    complete: plans.every((plan) => isComplete(plan.segments, plan.rollups)),
    columns: new Map([...tables].map(([id, table]) => [id, columnsOf(table)])),
  };
}

/** Sends each stretch's statement once, however often it is asked for. */
function fetcher(snapshot: Reading, wanted: Wanted): (stretch: Stretch) => Promise<AddRows> {
  const sent = new Map<string, Promise<AddRows>>();
  return (stretch) => {
    const before = sent.get(keyOf(stretch));
    if (before !== undefined) return before;
    const rows = fetchStretch(snapshot, stretch, wanted);
    // Some are not waited for: the first that fails is told, and those that nobody needs are of the same transaction.
    rows.catch(() => undefined);
    sent.set(keyOf(stretch), rows);
    return rows;
  };
}

function planFamilies(
  families: readonly Family[],
  buckets: Buckets,
  rollups: readonly FamilyRollup[],
  dirty: readonly DirtyRange[],
): FamilyPlan[] {
  return families.map((family) => {
    const own = rollups.filter((rollup) => rollup.family === family);
    return { family, rollups: own, ...planRange({ buckets, rollups: own, dirty }) };
  });
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
