// Points and rollup rows of one series come together in buckets here. A bucket takes them in any order and from any
// mix of levels: the merge is associative and commutative, as no two of them hold the same point.
import { type Buckets, bucketFinder, edgeUs } from './buckets.ts';
import type { M4Columns, StateColumns, StatsColumns } from './range.ts';

/** Buckets of one series on their way, a slot each; tFirst is Infinity where a bucket holds nothing. */
export interface M4Table extends Omit<M4Columns, 't' | 'stats' | 'path' | 'quantiles'> {
  readonly buckets: Buckets;
  readonly stats: StatsColumns | undefined;
}

/** Rollup rows, column by column; the stats columns are read only by a table that keeps stats. */
export type M4Rows = Omit<M4Columns, 't' | 'stats' | 'path' | 'quantiles'> & StatsColumns;

/** An empty table. */
export function createM4Table(buckets: Buckets, stats: boolean): M4Table {
  const column = (fill: number) => new Float64Array(buckets.count).fill(fill);
  return {
    buckets,
    first: column(0),
    tFirst: column(Number.POSITIVE_INFINITY),
    last: column(0),
    tLast: column(Number.NEGATIVE_INFINITY),
    min: column(Number.POSITIVE_INFINITY),
    tMin: column(0),
    max: column(Number.NEGATIVE_INFINITY),
    tMax: column(0),
    stats: stats ? { count: column(0), sum: column(0), squares: column(0) } : undefined,
  };
}

/** Buckets of one length are found by arithmetic: a call a row made a merge half as slow again. */
function slotsOf(buckets: Buckets) {
  if (buckets.kind === 'uniform') return { ...buckets, find: undefined };
  return { startUs: 0, stepUs: 1, find: bucketFinder(buckets) };
}

/** Adds points; no time may come twice, in all that is ever added. */
export function addPoints(table: M4Table, timesUs: Float64Array, values: Float64Array): void {
  const { first, tFirst, last, tLast, min, tMin, max, tMax, stats } = table;
  const { startUs, stepUs, find } = slotsOf(table.buckets);
  for (let row = 0; row < timesUs.length; row++) {
    const timeUs = timesUs[row]!;
    const slot = find === undefined ? Math.floor((timeUs - startUs) / stepUs) : find(timeUs);
    const value = values[row]!;
    if (timeUs < tFirst[slot]!) {
      tFirst[slot] = timeUs;
      first[slot] = value;
    }
    if (timeUs > tLast[slot]!) {
      tLast[slot] = timeUs;
      last[slot] = value;
    }
    if (value < min[slot]!) {
      min[slot] = value;
      tMin[slot] = timeUs;
    }
    if (value > max[slot]!) {
      max[slot] = value;
      tMax[slot] = timeUs;
    }
    if (stats !== undefined) mergeStats(stats, slot, 1, value, 0);
  }
}

/** Adds rollup rows, each of which lies within one bucket and shares no point with anything else added. */
export function addM4Rows(table: M4Table, rows: M4Rows): void {
  const { first, tFirst, last, tLast, min, tMin, max, tMax, stats } = table;
  const { startUs, stepUs, find } = slotsOf(table.buckets);
  for (let row = 0; row < rows.tFirst.length; row++) {
    const timeUs = rows.tFirst[row]!;
    const slot = find === undefined ? Math.floor((timeUs - startUs) / stepUs) : find(timeUs);
    if (timeUs < tFirst[slot]!) {
      tFirst[slot] = timeUs;
      first[slot] = rows.first[row]!;
    }
    if (rows.tLast[row]! > tLast[slot]!) {
      tLast[slot] = rows.tLast[row]!;
      last[slot] = rows.last[row]!;
    }
    if (rows.min[row]! < min[slot]!) {
      min[slot] = rows.min[row]!;
      tMin[slot] = rows.tMin[row]!;
    }
    if (rows.max[row]! > max[slot]!) {
      max[slot] = rows.max[row]!;
      tMax[slot] = rows.tMax[row]!;
    }
    if (stats !== undefined) {
      mergeStats(stats, slot, rows.count[row]!, rows.sum[row]!, rows.squares[row]!);
    }
  }
}

/** Slots that a rollup counted without summing them; rollups do so where squares of values would overflow. */
export function unsummedSlots({ stats }: M4Table): number[] {
  const slots: number[] = [];
  stats?.sum.forEach((sum, slot) => {
    if (Number.isNaN(sum)) slots.push(slot);
  });
  return slots;
}

/** Points of some slots, from the first of them to the last. */
export function countBetween({ stats }: M4Table, slots: readonly number[]): number {
  const [first = 0, last = -1] = [slots[0], slots.at(-1)];
  return stats?.count.subarray(first, last + 1).reduce((sum, count) => sum + count, 0) ?? 0;
}

/** Forgets what is known of the sums of some slots. */
export function forgetStats({ stats }: M4Table, slots: readonly number[]): void {
  for (const slot of slots) for (const column of Object.values(stats ?? {})) column[slot] = 0;
}

/** Adds points to count, sum and squares alone, and of these slots alone. */
export function addStats(
  { buckets, stats }: M4Table,
  slots: ReadonlySet<number>,
  timesUs: Float64Array,
  values: Float64Array,
): void {
  if (stats === undefined) return;
  const slotOf = bucketFinder(buckets);
  for (let row = 0; row < timesUs.length; row++) {
    const slot = slotOf(timesUs[row]!);
    if (slots.has(slot)) mergeStats(stats, slot, 1, values[row]!, 0);
  }
}

/** Chan, Golub and LeVeque's update of the squares about the mean, as PostgreSQL's float8_combine does it. */
function mergeStats(
  stats: StatsColumns,
  slot: number,
  count: number,
  sum: number,
  squares: number,
): void {
  const before = stats.count[slot]!;
  if (before === 0) {
    stats.count[slot] = count;
    stats.sum[slot] = sum;
    stats.squares[slot] = squares;
    return;
  }
  const distance = stats.sum[slot]! / before - sum / count;
  stats.count[slot] = before + count;
  stats.squares[slot] =
    stats.squares[slot]! + squares + (before * count * distance * distance) / (before + count);
  stats.sum[slot] = stats.sum[slot]! + sum;
}

/** The buckets that hold points, in the order of time. */
export function m4Columns(table: M4Table): M4Columns {
  const slots = filledSlots(table);
  // Mostly every bucket holds points; then the columns are the answer's as they are.
  const isFull = slots.length === table.buckets.count;
  const pick = (column: Float64Array) => (isFull ? column : slots.map((slot) => column[slot]!));
  const { stats } = table;
  return {
    t: slots.map((slot) => edgeUs(table.buckets, slot)),
    first: pick(table.first),
    tFirst: pick(table.tFirst),
    last: pick(table.last),
    tLast: pick(table.tLast),
    min: pick(table.min),
    tMin: pick(table.tMin),
    max: pick(table.max),
    tMax: pick(table.tMax),
    ...(stats && {
      stats: { count: pick(stats.count), sum: pick(stats.sum), squares: pick(stats.squares) },
    }),
  };
}

/** Slots that hold points. Their numbers are floats: what is picked by them is a column of floats again. */
export function filledSlots({ tFirst }: Pick<M4Table, 'tFirst'>): Float64Array {
  const slots = new Float64Array(tFirst.length);
  let filled = 0;
  for (let slot = 0; slot < tFirst.length; slot++) {
    if (tFirst[slot]! !== Number.POSITIVE_INFINITY) slots[filled++] = slot;
  }
  return slots.subarray(0, filled);
}

/** Buckets of a state series on their way, in the order of time: a state is read from points only. */
export interface StateTable {
  readonly buckets: Buckets;
  readonly t: number[];
  readonly first: string[];
  readonly tFirst: number[];
  readonly last: string[];
  readonly tLast: number[];
  readonly count: number[];
}

export function createStateTable(buckets: Buckets): StateTable {
  return { buckets, t: [], first: [], tFirst: [], last: [], tLast: [], count: [] };
}

/** Adds points, all of them later than those added before. */
export function addStates(
  table: StateTable,
  timesUs: Float64Array,
  values: readonly string[],
): void {
  const slotOf = bucketFinder(table.buckets);
  for (let row = 0; row < timesUs.length; row++) {
    const timeUs = timesUs[row]!;
    const t = edgeUs(table.buckets, slotOf(timeUs));
    if (table.t.at(-1) !== t) {
      table.t.push(t);
      table.first.push(values[row]!);
      table.tFirst.push(timeUs);
      table.last.push(values[row]!);
      table.tLast.push(timeUs);
      table.count.push(1);
    } else {
      table.last[table.last.length - 1] = values[row]!;
      table.tLast[table.tLast.length - 1] = timeUs;
      table.count[table.count.length - 1]! += 1;
    }
  }
}

export function stateColumns(table: StateTable): StateColumns {
  return {
    t: Float64Array.from(table.t),
    first: table.first,
    tFirst: Float64Array.from(table.tFirst),
    last: table.last,
    tLast: Float64Array.from(table.tLast),
    count: Float64Array.from(table.count),
  };
}
