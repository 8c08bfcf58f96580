// PostgreSQL's binary COPY format, straight from columns into one buffer: a driver that writes row by row spends more
// on its sockets than the database spends on the rows.
// Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". It does no casts: widths are exact.

/** Columns to take rows from; as long as one another. */
export interface CopyColumns {
  readonly seriesIds: Int32Array;
  /** µs since 1970 UTC. */
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  readonly states: readonly (string | undefined)[];
  readonly qualities: Int16Array;
}

/** µs from 1970 to 2000 UTC, where PostgreSQL's timestamps begin. */
export const PG_EPOCH_US = 946_684_800_000_000;
const TWO_32 = 2 ** 32;
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const HEADER_BYTES = SIGNATURE.length + 8;
const TRAILER_BYTES = 2;
/** Field count, and four fields with their lengths: int4, timestamptz, float8, int2. */
const NUMBER_ROW_BYTES = 2 + (4 + 4) + (4 + 8) + (4 + 8) + (4 + 2);
/** The same with a text of no bytes in the place of the float8. */
const STATE_ROW_BYTES = NUMBER_ROW_BYTES - 8;

/**
 * Rows of tailrace.reading (series_id, time, value, quality): those of `columns` that `rows` names, in its order.
 * -0 becomes 0, so that values that are equal are equal to the bit in every rollup.
 */
export function encodeReadings(columns: CopyColumns, rows: Int32Array): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + rows.length * NUMBER_ROW_BYTES + TRAILER_BYTES);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  let at = writeHeader(buffer);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    at = writeKey(view, at, columns.seriesIds[row]!, columns.timesUs[row]!);
    view.setInt32(at, 8);
    view.setFloat64(at + 4, columns.values[row]! + 0);
    at = writeQuality(view, at + 12, columns.qualities[row]!);
  }
  view.setInt16(at, -1);
  return buffer;
}

/** Rows of tailrace.state_reading, alike. */
export function encodeStateReadings(columns: CopyColumns, rows: Int32Array): Buffer {
  let textBytes = 0;
  for (const row of rows) textBytes += Buffer.byteLength(columns.states[row] ?? '');
  const buffer = Buffer.allocUnsafe(
    HEADER_BYTES + rows.length * STATE_ROW_BYTES + textBytes + TRAILER_BYTES,
  );
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  let at = writeHeader(buffer);
  for (const row of rows) {
    at = writeKey(view, at, columns.seriesIds[row]!, columns.timesUs[row]!);
    const bytes = buffer.write(columns.states[row] ?? '', at + 4);
    view.setInt32(at, bytes);
    at = writeQuality(view, at + 4 + bytes, columns.qualities[row]!);
  }
  view.setInt16(at, -1);
  return buffer;
}

function writeHeader(buffer: Buffer): number {
  SIGNATURE.copy(buffer);
  buffer.fill(0, SIGNATURE.length, HEADER_BYTES);
  return HEADER_BYTES;
}

function writeKey(view: DataView, at: number, seriesId: number, timeUs: number): number {
  const sinceEpochUs = timeUs - PG_EPOCH_US;
  // By halves: a BigInt for each row costs more than the rest of it together.
  const high = Math.floor(sinceEpochUs / TWO_32);
  view.setInt16(at, 4);
  view.setInt32(at + 2, 4);
  view.setInt32(at + 6, seriesId);
  view.setInt32(at + 10, 8);
  view.setInt32(at + 14, high);
  view.setUint32(at + 18, sinceEpochUs - high * TWO_32);
  return at + 22;
}

function writeQuality(view: DataView, at: number, quality: number): number {
  view.setInt32(at, 2);
  view.setInt16(at + 4, quality);
  return at + 6;
}
