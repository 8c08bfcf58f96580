// CBOR payloads (RFC 8949), of the same shapes as JSON. Read here and not by a package: cbor-x knows no strings of
// indefinite length, and makes errors, regular expressions and functions out of tags in strangers' bytes.
import { type BinaryState, createBinaryDecoder, enter } from './binary-decoder.ts';
import { type BinaryReader, UnreadableError } from './binary-reader.ts';
import { Fields } from './fields.ts';
import type { Decoder } from './sink.ts';
import type { ReadText } from './text-cache.ts';

const INDEFINITE = 31;
const BREAK = 0xff;
/** Of the bytes of a whole number: larger ones are infinite as doubles. */
const BIG_BYTES_MAX = 1024;

/** A half-precision float (RFC 8949, appendix D). */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent < 31) return sign * (mantissa + 1024) * 2 ** (exponent - 25);
  return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
}

/** A whole number of any length, to the nearest double. */
function bigNumber(content: unknown, isNegative: boolean): number {
  if (!Buffer.isBuffer(content)) throw new UnreadableError('a large number in it has no bytes');
  const start = content.findIndex((byte) => byte !== 0);
  const digits = start === -1 ? Buffer.of(0) : content.subarray(start);
  if (digits.length > BIG_BYTES_MAX) return isNegative ? -Infinity : Infinity;
  const value = BigInt(`0x${digits.toString('hex')}`);
  return Number(isNegative ? -1n - value : value);
}

/** Both numbers of a pair that a tag stands before. */
function pairOf(content: unknown): [number, number] {
  if (Array.isArray(content) && content.length === 2) {
    const [first, second] = content as unknown[];
    if (typeof first === 'number' && typeof second === 'number') return [first, second];
  }
  throw new UnreadableError('a fraction in it is no pair of numbers');
}

/** What a tag makes of what it stands before. Times (0 and 1) are as the payload writes them; others say nothing here. */
function tagged(tag: number, content: unknown): unknown {
  switch (tag) {
    case 2:
    case 3:
      return bigNumber(content, tag === 3);
    case 4: {
      const [exponent, mantissa] = pairOf(content);
      return Number(`${mantissa}e${exponent}`);
    }
    case 5: {
      const [exponent, mantissa] = pairOf(content);
      // In two steps: one power alone may be too large or too small for a product that is not.
      const half = Math.trunc(exponent / 2);
      return mantissa * 2 ** half * 2 ** (exponent - half);
    }
    default:
      return content;
  }
}

/** The argument of a head (RFC 8949, section 3). */
function readArgument(reader: BinaryReader, info: number): number {
  if (info < 24) return info;
  if (info === 24) return reader.byte();
  if (info === 25) return reader.uint16();
  if (info === 26) return reader.uint32();
  if (info === 27) return reader.uint64();
  throw new UnreadableError('a length in it is none');
}

function passBreak(reader: BinaryReader): boolean {
  if (reader.bytes[reader.at] !== BREAK) return false;
  reader.byte();
  return true;
}

/** Bytes, or those of a text, which is UTF-8 in each of its parts. */
function readBytes(reader: BinaryReader, info: number, major: 2 | 3): Buffer {
  if (info !== INDEFINITE) {
    const length = readArgument(reader, info);
    if (major === 2) return reader.take(length);
    const start = reader.passText(length);
    return reader.bytes.subarray(start, reader.at);
  }
  const parts: Buffer[] = [];
  while (!passBreak(reader)) {
    const head = reader.byte();
    const isPart = head >> 5 === major && (head & 31) !== INDEFINITE;
    if (!isPart) throw new UnreadableError('a part of a text in it is of another type');
    parts.push(readBytes(reader, head & 31, major));
  }
  return Buffer.concat(parts);
}

function readKey(state: BinaryState): string {
  const { reader } = state;
  const head = reader.bytes[reader.at] as number;
  if (head >= 0x60 && head < 0x78) {
    reader.byte();
    const start = reader.passText(head - 0x60);
    return state.readText(reader.bytes, start, reader.at);
  }
  const value = readItem(state);
  if (typeof value === 'object' && value !== null) {
    throw new UnreadableError('a key in it is no text');
  }
  return String(value);
}

/** Calls `read` for each item of a list, or pair of a map. */
function readEach(state: BinaryState, info: number, bytesEach: number, read: () => void): void {
  const { reader } = state;
  enter(state);
  if (info === INDEFINITE) while (!passBreak(reader)) read();
  else {
    const count = readArgument(reader, info);
    reader.expectItems(count, bytesEach);
    for (let index = 0; index < count; index++) read();
  }
  state.depth--;
}

function readList(state: BinaryState, info: number): unknown[] {
  if (state.depth > 0) state.hasInnerLists = true;
  const values: unknown[] = [];
  readEach(state, info, 1, () => values.push(readItem(state)));
  return values;
}

function readMap(state: BinaryState, info: number): Fields {
  const keys: string[] = [];
  const values: unknown[] = [];
  // Made at their size, where it is known: lists that grow take room for seventeen at once, and most maps are small.
  if (info < 24) keys.length = values.length = info;
  let index = 0;
  readEach(state, info, 2, () => {
    keys[index] = readKey(state);
    values[index++] = readItem(state);
  });
  return new Fields(keys, values);
}

function readTagged(state: BinaryState, info: number): unknown {
  const tag = readArgument(state.reader, info);
  enter(state);
  const content = readItem(state);
  state.depth--;
  return tagged(tag, content);
}

function readSimple(reader: BinaryReader, info: number): unknown {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23:
      return null;
    case 25:
      return halfFloat(reader.uint16());
    case 26:
      return reader.float32();
    case 27:
      return reader.float64();
    default:
      throw new UnreadableError('it holds a simple value that means nothing');
  }
}

/** Reads one item and what is in it. */
function readItem(state: BinaryState): unknown {
  const { reader } = state;
  const head = reader.byte();
  const info = head & 31;
  switch (head >> 5) {
    case 0:
      return readArgument(reader, info);
    case 1:
      return -1 - readArgument(reader, info);
    case 2:
      return readBytes(reader, info, 2);
    case 3:
      return readBytes(reader, info, 3).toString('utf8');
    case 4:
      return readList(state, info);
    case 5:
      return readMap(state, info);
    case 6:
      return readTagged(state, info);
    default:
      return readSimple(reader, info);
  }
}

/** Makes a decoder of CBOR: one item that takes every byte. */
export function createCborDecoder(readText: ReadText): Decoder {
  return createBinaryDecoder({ name: 'CBOR', valueName: 'item' }, readText, readItem);
}
