// Columns as PostgreSQL's binary arrays, straight from typed arrays: parameters that the server neither parses nor
// casts. 50,000 keys as text took five times as long to look up as these.
// Format: array_send in PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
import { PG_EPOCH_US } from './copy-binary.ts';

const TWO_32 = 2 ** 32;
/** Dimensions, whether there are nulls, the elements' type, and length and lower bound of the one dimension. */
const HEADER_BYTES = 20;
const INT2 = 21;
const INT4 = 23;
const FLOAT8 = 701;
const TIMESTAMPTZ = 1184;

/** An int4[] of those of `column` that `rows` names, in its order; the others alike. */
export function int4Array(column: Int32Array, rows: Int32Array): Buffer {
  return encode(INT4, 4, rows, (view, at, row) => view.setInt32(at, column[row]!));
}

export function int2Array(column: Int16Array, rows: Int32Array): Buffer {
  return encode(INT2, 2, rows, (view, at, row) => view.setInt16(at, column[row]!));
}

/** A float8[]; -0 becomes 0, as in `encodeReadings`. */
export function float8Array(column: Float64Array, rows: Int32Array): Buffer {
  return encode(FLOAT8, 8, rows, (view, at, row) => view.setFloat64(at, column[row]! + 0));
}

/** A timestamptz[] of times in µs since 1970 UTC. */
export function timestampArray(timesUs: Float64Array, rows: Int32Array): Buffer {
  return encode(TIMESTAMPTZ, 8, rows, (view, at, row) => {
    const sinceEpochUs = timesUs[row]! - PG_EPOCH_US;
    const high = Math.floor(sinceEpochUs / TWO_32);
    view.setInt32(at, high);
    view.setUint32(at + 4, sinceEpochUs - high * TWO_32);
  });
}

function encode(
  type: number,
  elementBytes: number,
  rows: Int32Array,
  put: (view: DataView, at: number, row: number) => void,
): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + rows.length * (4 + elementBytes));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  view.setInt32(0, 1);
  view.setInt32(4, 0);
  view.setInt32(8, type);
  view.setInt32(12, rows.length);
  view.setInt32(16, 1);
  let at = HEADER_BYTES;
  for (let i = 0; i < rows.length; i++) {
    view.setInt32(at, elementBytes);
    put(view, at + 4, rows[i]!);
    at += 4 + elementBytes;
  }
  return buffer;
}
