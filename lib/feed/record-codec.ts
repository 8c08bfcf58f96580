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

const POINT_BYTES = 4 + 8 + 8 + 2;
/** Beside columns and texts. */
const FRAME_BYTES = 128;
/** Of the head of a text or a number in MessagePack. */
const HEAD_BYTES = 5;
/** Of a UTF-16 unit in UTF-8. */
const UNIT_BYTES_MAX = 3;

/** What a record takes as bytes, at most. */
function weighEncoded(body: FeedBody): number {
  if (body.kind === 'series') return FRAME_BYTES + body.ids.length * HEAD_BYTES;
  if (body.kind !== 'readings') return encodeBody(body).length;
  let bytes = FRAME_BYTES + body.seriesIds.length * POINT_BYTES;
  if (body.values instanceof Float64Array) return bytes;
  for (const value of body.values) {
    bytes += HEAD_BYTES + (typeof value === 'string' ? value.length * UNIT_BYTES_MAX : 0);
  }
  return bytes;
}

/** The two halves of a record; undefined where it is one thing. */
function halves(body: FeedBody): readonly [FeedBody, FeedBody] | undefined {
  if (body.kind === 'series' && body.ids.length > 1) {
    const half = body.ids.length >> 1;
    return [
      { kind: 'series', ids: body.ids.slice(0, half) },
      { kind: 'series', ids: body.ids.slice(half) },
    ];
  }
  if (body.kind !== 'readings' || body.seriesIds.length < 2) return undefined;
  const half = body.seriesIds.length >> 1;
  const part = (start: number, end?: number): FeedBody => ({
    kind: 'readings',
    seriesIds: body.seriesIds.slice(start, end),
    timesUs: body.timesUs.slice(start, end),
    values: body.values.slice(start, end),
    qualities: body.qualities.slice(start, end),
  });
  return [part(0, half), part(half)];
}

/**
 * Writes a record's body as one that has at most so many bytes, or as several. What cannot be divided and is larger
 * still becomes a gap: followers look into the database then, and nothing is tried for ever.
 */
export function encodeWithin(body: FeedBody, bytesMax: number): Buffer[] {
  if (weighEncoded(body) <= bytesMax) return [encodeBody(body)];
  const parts = halves(body);
  if (parts === undefined) return [encodeBody({ kind: 'gap' })];
  return parts.flatMap((part) => encodeWithin(part, bytesMax));
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
