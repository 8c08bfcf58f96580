// A state series as what it says of time: a state holds from its point until the next one. Intervals of equal states,
// and how long each state held in a bucket. Pure; times are µs since 1970 UTC, and points come in their order.
import { type Buckets, bucketFinder, domainOf, edgeUs } from './buckets.ts';

/** Half-open. */
export interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** Intervals of one series: without gaps, each until the next one's start, equal neighbours joined. */
export interface IntervalColumns {
  readonly value: readonly string[];
  readonly start: Float64Array;
  readonly end: Float64Array;
}

/** Intervals on their way; the last one is open. */
export interface IntervalTable {
  readonly span: Span;
  /** Where intervals may begin, if not anywhere. Of the states of one bucket the last counts, from its start. */
  readonly grid: Buckets | undefined;
  readonly starts: number[];
  readonly values: string[];
}

/** An empty table; `before` is the state that held at the span's start, where it is known and may be told. */
export function createIntervalTable(
  span: Span,
  grid: Buckets | undefined,
  before: string | undefined,
): IntervalTable {
  const table: IntervalTable = { span, grid, starts: [], values: [] };
  if (before !== undefined) append(table, span.startUs, before);
  return table;
}

/** Adds points of the span, all of them later than those added before. */
export function addIntervalPoints(
  table: IntervalTable,
  timesUs: ArrayLike<number>,
  values: readonly string[],
): void {
  const { grid } = table;
  const slotOf = grid === undefined ? undefined : bucketFinder(grid);
  for (let row = 0; row < timesUs.length; row++) {
    const timeUs = timesUs[row]!;
    const startUs = grid === undefined ? timeUs : edgeUs(grid, slotOf!(timeUs));
    append(table, startUs, values[row]!);
  }
}

/** A state from `startUs` on; one that began there before it is as if it had never been. */
function append({ starts, values }: IntervalTable, startUs: number, value: string): void {
  if (starts.at(-1) === startUs) {
    starts.pop();
    values.pop();
  }
  if (values.at(-1) === value) return;
  starts.push(startUs);
  values.push(value);
}

/**
 * The table on a coarser grid: it is the one that the points themselves would have given, as long as the grid's buckets
 * are made of whole buckets of the one before.
 */
export function onGrid(table: IntervalTable, grid: Buckets): IntervalTable {
  const coarser = createIntervalTable(table.span, grid, undefined);
  addIntervalPoints(coarser, table.starts, table.values);
  return coarser;
}

/**
 * The grid on which a span has at most `intervalsMax` intervals, whatever its states do: from the span's start, by whole
 * multiples of `grainUs`.
 */
export function gridWithin({ startUs, endUs }: Span, intervalsMax: number, grainUs: number) {
  const grains = Math.ceil((endUs - startUs) / grainUs / Math.max(1, Math.floor(intervalsMax)));
  const stepUs = Math.max(1, grains) * grainUs;
  const count = Math.ceil((endUs - startUs) / stepUs);
  return { kind: 'uniform', startUs, stepUs, count } as const satisfies Buckets;
}

export function intervalColumns({ span, starts, values }: IntervalTable): IntervalColumns {
  const start = Float64Array.from(starts);
  const end = start.map((_, i) => start[i + 1] ?? span.endUs);
  return { value: values, start, end };
}

/** Time in state by bucket: one entry a bucket of which anything is known, in the order of time. */
export interface TimeInStateColumns {
  readonly t: Float64Array;
  /** JSON objects: state → ms. */
  readonly states: readonly string[];
}

/** Times in state on their way. */
export interface TimeInStateTable {
  readonly buckets: Buckets;
  /** Until when states are known to hold: the end of the domain, or now. */
  readonly untilUs: number;
  readonly t: number[];
  readonly states: string[];
  /** Of all that is in `states`. */
  characters: number;
  /** The bucket that is being filled, and the µs of each state in it. */
  slot: number;
  readonly open: Map<string, number>;
  /** The state that holds, and from when it has not been counted; none before the first. */
  holds: string | undefined;
  sinceUs: number;
}

/** An empty table; `before` is the state that held at the domain's start, where it is known and may be told. */
export function createTimeInStateTable(
  buckets: Buckets,
  before: string | undefined,
  nowUs: number,
): TimeInStateTable {
  const { startUs, endUs } = domainOf(buckets);
  return {
    buckets,
    untilUs: Math.min(endUs, nowUs),
    ...{ t: [], states: [], characters: 0, slot: 0, open: new Map() },
    ...{ holds: before, sinceUs: startUs },
  };
}

/** Adds points from the domain's start until `untilUs`, all of them later than those added before. */
export function addTimeInStatePoints(
  table: TimeInStateTable,
  timesUs: ArrayLike<number>,
  values: readonly string[],
): void {
  for (let row = 0; row < timesUs.length; row++) {
    hold(table, timesUs[row]!);
    table.holds = values[row]!;
  }
}

/** Counts the state that holds until a moment, in every bucket that it reaches. */
function hold(table: TimeInStateTable, untilUs: number): void {
  const { buckets, open, holds } = table;
  while (table.sinceUs < untilUs) {
    const edge = edgeUs(buckets, table.slot + 1);
    if (edge <= table.sinceUs) {
      close(table);
      table.slot += 1;
      continue;
    }
    const endUs = Math.min(edge, untilUs);
    if (holds !== undefined) open.set(holds, (open.get(holds) ?? 0) + endUs - table.sinceUs);
    table.sinceUs = endUs;
  }
}

function close(table: TimeInStateTable): void {
  const { open, states } = table;
  if (open.size === 0) return;
  const members = Array.from(open, ([state, us]) => `${JSON.stringify(state)}:${us / 1_000}`);
  const text = `{${members.join(',')}}`;
  table.t.push(edgeUs(table.buckets, table.slot));
  // A state that holds through many buckets is one text.
  states.push(states.at(-1) === text ? states.at(-1)! : text);
  table.characters += text.length;
  open.clear();
}

/** Ends a table: the last state is taken to hold until `untilUs`. */
export function timeInStateColumns(table: TimeInStateTable): TimeInStateColumns {
  hold(table, table.untilUs);
  close(table);
  return { t: Float64Array.from(table.t), states: table.states };
}
