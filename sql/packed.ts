// Columns that come back packed: `string_agg(float8send(x), null)` and its like give one bytea a column, big-endian.
// A row-by-row answer of 2,400 rollup rows took 38 ms embedded, packed 9 ms: no text of a float is made or parsed.

/** PostgreSQL counts µs from 2000-01-01 UTC. */
const POSTGRES_EPOCH_US = 946_684_800_000_000;

const EMPTY = new Float64Array(0);

/** What `float8send` made, to the bit. */
export function unpackFloat8(packed: Buffer | null | undefined): Float64Array {
  if (packed == null) return EMPTY;
  return new Float64Array(littleEndian8(packed));
}

/** What `timestamptz_send` made, as µs since 1970 UTC. */
export function unpackTimestamps(packed: Buffer | null | undefined): Float64Array {
  if (packed == null) return EMPTY;
  const words = new Uint32Array(littleEndian8(packed));
  const timesUs = new Float64Array(words.length / 2);
  for (let row = 0; row < timesUs.length; row++) {
    const high = words[2 * row + 1]! | 0;
    timesUs[row] = high * 4_294_967_296 + words[2 * row]! + POSTGRES_EPOCH_US;
  }
  return timesUs;
}

/** What `int2send` made. */
export function unpackInt2(packed: Buffer | null | undefined): Int16Array {
  if (packed == null) return new Int16Array(0);
  const bytes = new Uint8Array(packed).buffer;
  Buffer.from(bytes).swap16();
  return new Int16Array(bytes);
}

/** A copy, since a Buffer may begin anywhere in its memory and a Float64Array only at a multiple of 8. */
function littleEndian8(packed: Buffer): ArrayBuffer {
  const bytes = new Uint8Array(packed).buffer;
  Buffer.from(bytes).swap64();
  return bytes;
}

/** An id that came alone. */
export function unpackId(column: Buffer | null | undefined): number {
  if (column == null) throw new Error('a row came without its id');
  return column.readInt32BE(0);
}

/** What `int4send` made. */
export function unpackInt4(packed: Buffer | null | undefined): Int32Array {
  if (packed == null) return new Int32Array(0);
  const bytes = new Uint8Array(packed).buffer;
  Buffer.from(bytes).swap32();
  return new Int32Array(bytes);
}

/** What `json_send` made: the text itself. */
export function unpackJson<T>(packed: Buffer | null | undefined): T {
  if (packed == null) throw new Error('a row came without its json');
  return JSON.parse(packed.toString());
}
