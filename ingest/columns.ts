// Columns that grow as rows are added and keep their memory when they are emptied: no object per reading.
import type { ReadingBatch } from '../store/readings.ts';

export interface Columns {
  readonly rows: number;
  addRow(
    seriesId: number,
    timeUs: number,
    value: number | string,
    quality: number,
    dup: boolean,
    message: number,
  ): void;
  /**
   * Replaces series ids row by row; undefined takes the row out. Rows keep their order, and `replace` is told the index
   * of each row's message.
   */
  replaceSeries(replace: (seriesId: number, message: number) => number | undefined): void;
  /**
   * Where a view from `start` has to end so that it has no more than so many rows and so long texts together (in UTF-16
   * units), but one row at least.
   */
  viewEnd(start: number, rowsMax: number, textMax: number): number;
  /** Rows `start` to `end`, not copied (but for states): good until the next change. */
  view(start: number, end: number): ReadingBatch;
  clear(): void;
}

const FIRST_CAPACITY = 1024;
/** One message of a million readings should not be paid for by all that come after. */
const CAPACITY_KEPT_MAX = 262_144;

type Arrays = Pick<
  ReadingBatch,
  'seriesIds' | 'timesUs' | 'values' | 'qualities' | 'dups' | 'messages'
>;

function emptyArrays(capacity: number): Arrays {
  return {
    seriesIds: new Int32Array(capacity),
    timesUs: new Float64Array(capacity),
    values: new Float64Array(capacity),
    qualities: new Int16Array(capacity),
    dups: new Uint8Array(capacity),
    messages: new Int32Array(capacity),
  };
}

function grown(arrays: Arrays): Arrays {
  const larger = emptyArrays(arrays.seriesIds.length * 2);
  for (const name of Object.keys(arrays) as (keyof Arrays)[]) larger[name].set(arrays[name]);
  return larger;
}

function moveRow(arrays: Arrays, from: number, to: number): void {
  for (const name of Object.keys(arrays) as (keyof Arrays)[]) {
    arrays[name].copyWithin(to, from, from + 1);
  }
}

/** Makes empty columns. */
export function createColumns(): Columns {
  let arrays = emptyArrays(FIRST_CAPACITY);
  let rows = 0;
  /** Shorter than `rows` where the last rows are numbers, empty until the first state comes. */
  let states: (string | undefined)[] = [];

  return {
    get rows() {
      return rows;
    },
    addRow(seriesId, timeUs, value, quality, dup, message) {
      if (rows === arrays.seriesIds.length) arrays = grown(arrays);
      arrays.seriesIds[rows] = seriesId;
      arrays.timesUs[rows] = timeUs;
      arrays.qualities[rows] = quality;
      arrays.dups[rows] = dup ? 1 : 0;
      arrays.messages[rows] = message;
      if (typeof value === 'number') {
        arrays.values[rows] = value;
      } else {
        arrays.values[rows] = 0;
        while (states.length < rows) states.push(undefined);
        states.push(value);
      }
      rows++;
    },
    replaceSeries(replace) {
      let kept = 0;
      for (let row = 0; row < rows; row++) {
        const id = replace(arrays.seriesIds[row] as number, arrays.messages[row] as number);
        if (id === undefined) continue;
        arrays.seriesIds[row] = id;
        if (kept !== row) {
          moveRow(arrays, row, kept);
          if (kept < states.length) states[kept] = states[row];
        }
        kept++;
      }
      rows = kept;
      if (states.length > rows) states.length = rows;
    },
    viewEnd(start, rowsMax, textMax) {
      const lastEnd = Math.min(start + rowsMax, rows);
      let text = 0;
      for (let row = start; row < Math.min(lastEnd, states.length); row++) {
        text += states[row]?.length ?? 0;
        if (text > textMax && row > start) return row;
      }
      return lastEnd;
    },
    view(start, end) {
      if (states.length > 0) while (states.length < rows) states.push(undefined);
      return {
        rows: end - start,
        seriesIds: arrays.seriesIds.subarray(start, end),
        timesUs: arrays.timesUs.subarray(start, end),
        values: arrays.values.subarray(start, end),
        qualities: arrays.qualities.subarray(start, end),
        dups: arrays.dups.subarray(start, end),
        messages: arrays.messages.subarray(start, end),
        states: states.slice(start, end),
      };
    },
    clear() {
      rows = 0;
      states = [];
      if (arrays.seriesIds.length > CAPACITY_KEPT_MAX) arrays = emptyArrays(FIRST_CAPACITY);
    },
  };
}
