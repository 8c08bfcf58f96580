// A range's answer as named columns, the same for every format: what the caller asked for, derived from what the store
// gives, and filled where buckets are empty.
import { edgeUs } from '../../store/range/buckets.ts';
import type {
  M4Columns,
  RangeAnswer,
  RangeColumns,
  StateColumns,
} from '../../store/range/range.ts';
import { QUANTILES } from '../../store/range/sketch.ts';
import type { IntervalColumns, TimeInStateColumns } from '../../store/range/states.ts';
import type { Series } from '../../store/series.ts';
import type { Aggregate, Fill } from './parameters.ts';

/** Cells of a column: numbers with NaN for none (no value is NaN), or texts with null for none. */
export type Cells = Float64Array | readonly (string | null)[];

export interface Column {
  readonly name: string;
  /** Times are µs since 1970 UTC; `json` has values as JSON texts. */
  readonly kind: 'time' | 'value' | 'json';
  readonly cells: Cells;
}

export interface SeriesTable {
  readonly series: Series;
  /** The first is `t`, but of intervals; all are of one length. `q` is last, and only where some point is not good. */
  readonly columns: readonly Column[];
}

export interface TableOptions {
  readonly aggregates: readonly Aggregate[];
  readonly fill: Fill;
}

/** True where an aggregate needs the count, the sum or the squares of a bucket. */
export function needsStats(aggregates: readonly Aggregate[]): boolean {
  return aggregates.some((one) => ['mean', 'sum', 'count', 'stddev'].includes(one));
}

const PATH_COLUMN = { twa: 'twa', twa_step: 'twaStep', rate: 'rate', delta: 'delta' } as const;

/** True where an aggregate needs the points' order. */
export function needsPath(aggregates: readonly Aggregate[]): boolean {
  return aggregates.some((one) => one in PATH_COLUMN);
}

/** True where an aggregate needs counts of values. */
export function needsSketch(aggregates: readonly Aggregate[]): boolean {
  return aggregates.some((one) => one in QUANTILES);
}

const time = (name: string, cells: Cells): Column => ({ name, kind: 'time', cells });
const value = (name: string, cells: Cells): Column => ({ name, kind: 'value', cells });

function rawColumns(columns: Extract<RangeColumns, { kind: 'raw' }>): Column[] {
  const plain = [time('t', columns.t), value('v', columns.v)];
  if (columns.q.every((quality) => quality === 0)) return plain;
  return [...plain, value('q', Float64Array.from(columns.q))];
}

function m4(columns: M4Columns | StateColumns): Column[] {
  const ends = [
    value('first', columns.first),
    time('t_first', columns.tFirst),
    value('last', columns.last),
    time('t_last', columns.tLast),
  ];
  if (!('min' in columns)) return ends;
  return [
    ...ends,
    value('min', columns.min),
    time('t_min', columns.tMin),
    value('max', columns.max),
    time('t_max', columns.tMax),
  ];
}

/** Statistics of a bucket from count, sum and squares about the mean; the deviation is the population's. */
function statistic(
  name: 'mean' | 'sum' | 'count' | 'stddev',
  stats: NonNullable<M4Columns['stats']>,
): Float64Array {
  if (name === 'sum' || name === 'count') return stats[name];
  const from = name === 'mean' ? stats.sum : stats.squares;
  return from.map((sum, i) => {
    const mean = sum / (stats.count[i] ?? 0);
    return name === 'mean' ? mean : Math.sqrt(Math.max(mean, 0));
  });
}

/** What is beyond a float is none: JSON has no infinity. */
function finite(cells: Float64Array): Float64Array {
  return cells.every(Number.isFinite) ? cells : cells.map((cell) => cell - cell + cell);
}

function numberCells(
  aggregate: Exclude<Aggregate, 'm4'>,
  columns: M4Columns,
): Float64Array | undefined {
  switch (aggregate) {
    case 'first':
    case 'last':
    case 'min':
    case 'max':
      return columns[aggregate];
    case 'mean':
    case 'sum':
    case 'count':
    case 'stddev':
      return columns.stats && finite(statistic(aggregate, columns.stats));
    case 'p50':
    case 'p90':
    case 'p95':
    case 'p99':
      return columns.quantiles?.[aggregate];
    default:
      return columns.path && finite(columns.path[PATH_COLUMN[aggregate]]);
  }
}

/** Texts have a first and a last, and can be counted; what they have not is none in every bucket. */
function aggregateColumns(aggregate: Aggregate, columns: M4Columns | StateColumns): Column[] {
  if (aggregate === 'm4') return m4(columns);
  if (!('min' in columns)) {
    if (aggregate === 'first' || aggregate === 'last' || aggregate === 'count') {
      return [value(aggregate, columns[aggregate])];
    }
    return [value(aggregate, new Array(columns.t.length).fill(null))];
  }
  const cells = numberCells(aggregate, columns);
  if (cells === undefined) throw new Error(`${aggregate} asked for, and the store gave none`);
  return [value(aggregate, cells)];
}

function bucketColumns(
  columns: M4Columns | StateColumns,
  aggregates: readonly Aggregate[],
): Column[] {
  const found = new Map<string, Column>();
  for (const column of aggregates.flatMap((one) => aggregateColumns(one, columns))) {
    found.set(column.name, column);
  }
  return [time('t', columns.t), ...found.values()];
}

/** For each bucket of the grid the row that it comes from, or -1. */
function rowsOfGrid(t: Float64Array, grid: Float64Array): Int32Array {
  let row = 0;
  return Int32Array.from(grid, (us) => (t[row] === us ? row++ : -1));
}

function interpolate(cells: Float64Array, t: Float64Array, row: number, us: number): number {
  const [t0, t1] = [t[row] ?? 0, t[row + 1] ?? 0];
  const [v0, v1] = [cells[row] ?? Number.NaN, cells[row + 1] ?? Number.NaN];
  return v0 + (v1 - v0) * ((us - t0) / (t1 - t0));
}

/** What a column says in a bucket without points, after the row `row`. */
function gapCell(column: Column, fill: Fill, t: Float64Array, row: number, us: number) {
  if (column.name === 'count') return 0;
  if (fill === 'null') return undefined;
  if (fill === 'previous' || !(column.cells instanceof Float64Array)) return column.cells[row];
  const cell = interpolate(column.cells, t, row, us);
  // Times are whole µs.
  return column.kind === 'time' ? Math.round(cell) : cell;
}

function fillColumn(
  column: Column,
  fill: Fill,
  t: Float64Array,
  grid: Float64Array,
  rows: Int32Array,
): Column {
  const isNumber = column.cells instanceof Float64Array;
  const cells: (number | string | null | undefined)[] = [];
  let before = -1;
  for (const [i, us] of grid.entries()) {
    const row = rows[i] ?? -1;
    if (row >= 0) before = row;
    const cell = row >= 0 ? column.cells[row] : gapCell(column, fill, t, before, us);
    cells.push(cell ?? (isNumber ? Number.NaN : null));
  }
  return { ...column, cells: isNumber ? Float64Array.from(cells as number[]) : (cells as Cells) };
}

/** Puts a row into every bucket; with `previous` and `linear` from the first one that has points to the last. */
function fillGaps(columns: readonly Column[], fill: Fill, answer: RangeAnswer): readonly Column[] {
  const t = columns[0]?.cells;
  const { buckets } = answer;
  if (fill === 'none' || buckets === null || !(t instanceof Float64Array)) return columns;
  const starts = new Float64Array(buckets.count).map((_, i) => edgeUs(buckets, i));
  const [first = Number.POSITIVE_INFINITY, last = 0] = [t[0], t.at(-1)];
  const grid = fill === 'null' ? starts : starts.filter((us) => us >= first && us <= last);
  const rows = rowsOfGrid(t, grid);
  const filled = columns.slice(1).map((column) => fillColumn(column, fill, t, grid, rows));
  return [time('t', grid), ...filled];
}

function intervals({ value: values, start, end }: IntervalColumns): Column[] {
  return [value('value', values), time('start', start), time('end', end)];
}

function timeInState({ t, states }: TimeInStateColumns): Column[] {
  return [time('t', t), { name: 'time_in_state', kind: 'json', cells: states }];
}

function columnsOf(
  columns: RangeColumns,
  { aggregates, fill }: TableOptions,
  answer: RangeAnswer,
): readonly Column[] {
  switch (columns.kind) {
    case 'raw':
      return rawColumns(columns);
    case 'intervals':
      return intervals(columns);
    case 'time_in_state':
      return fillGaps(timeInState(columns), fill, answer);
    default:
      return fillGaps(bucketColumns(columns, aggregates), fill, answer);
  }
}

/** The tables of an answer, in its order. */
export function tablesOf(answer: RangeAnswer, options: TableOptions): SeriesTable[] {
  return answer.series.map(({ series, columns }) => ({
    series,
    columns: columnsOf(columns, options, answer),
  }));
}
