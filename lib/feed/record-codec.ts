// Feed records as bytes: columns as they lie in memory, the rest as MessagePack.
import { pack, unpack } from 'msgpackr';
import type { FeedBody, ReadingsRecord } from './feed.ts';

/** Bytes of a typed array, without a copy. */
function bytesOf(column: Int32Array | Float64Array | Int16Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

/** A copy, because bytes within a message stand at any offset and columns have to be aligned. */
function alignedBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** The texts of a column that has any, null where a number stands. */
function textsOf(values: ReadingsRecord['values']): (string | null)[] | undefined {
  if (values instanceof Float64Array) return undefined;
  if (!values.some((value) => typeof value === 'string')) return undefined;
  return values.map((value) => (typeof value === 'string' ? value : null));
}

function numbersOf(values: ReadingsRecord['values']): Float64Array {
  if (values instanceof Float64Array) return values;
  return Float64Array.from(values, (value) => (typeof value === 'number' ? value : 0));
}

/** Writes a record's body. */
export function encodeBody(body: FeedBody): Buffer {
  if (body.kind !== 'readings') return pack(body);
  const { kind, values } = body;
  return pack({
    kind,
    s: bytesOf(Int32Array.from(body.seriesIds)),
    t: bytesOf(Float64Array.from(body.timesUs)),
    // Numbers as they lie in memory: MessagePack would write a negative zero as 0.
    v: bytesOf(numbersOf(values)),
    x: textsOf(values),
    q: bytesOf(Int16Array.from(body.qualities)),
  });
}

interface PackedReadings {
  readonly s: Uint8Array;
  readonly t: Uint8Array;
  readonly v: Uint8Array;
  readonly x?: readonly (string | null)[];
  readonly q: Uint8Array;
}

/** Reads a body; a kind of a later version counts as a gap, because something happened that this one cannot follow. */
export function decodeBody(bytes: Uint8Array): FeedBody {
  const body: { readonly kind: string } = unpack(bytes);
  switch (body.kind) {
    case 'readings': {
      const { s, t, v, x, q } = body as typeof body & PackedReadings;
      const numbers = new Float64Array(alignedBuffer(v));
      return {
        kind: 'readings',
        seriesIds: new Int32Array(alignedBuffer(s)),
        timesUs: new Float64Array(alignedBuffer(t)),
        values: x === undefined ? numbers : Array.from(numbers, (number, i) => x[i] ?? number),
        qualities: new Int16Array(alignedBuffer(q)),
      };
    }
    case 'series':
    case 'bundle':
    case 'revoked':
      return body as FeedBody;
    default:
      return { kind: 'gap' };
  }
}
