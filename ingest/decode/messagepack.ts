// MessagePack payloads, of the same shapes as JSON. Read here and not by msgpackr, which serves the other direction:
// that one also takes what is its own (records, references, functions made from keys), takes 0xC1, which is never used,
// for a value, renames `__proto__`, and makes an object of each map; all of it from strangers' bytes.
// Specification: https://github.com/msgpack/msgpack/blob/master/spec.md
import { type BinaryState, createBinaryDecoder, enter } from './binary-decoder.ts';
import { type BinaryReader, UnreadableError } from './binary-reader.ts';
import { Fields } from './fields.ts';
import type { Decoder } from './sink.ts';
import type { ReadText } from './text-cache.ts';

const TIMESTAMP = -1;
const SMALL_MAP = 64;

/**
 * A time as a number whose magnitude says µs, as all times of 1970-02-27 to 2128 do; as text where it would say
 * something else.
 */
function timeNumber(seconds: number, nanoseconds: number): number | string {
  const us = seconds * 1e6 + Math.round(nanoseconds / 1e3);
  if (us >= 5e12 && us < 5e15) return us;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'Infinity' : date.toISOString();
}

/** An extension: a time, or bytes that say nothing here. */
function readExtension(reader: BinaryReader, length: number): unknown {
  const type = (reader.byte() << 24) >> 24;
  const body = reader.take(length);
  if (type !== TIMESTAMP) return body;
  if (length === 4) return timeNumber(body.readUInt32BE(0), 0);
  if (length === 8) {
    const upper = body.readUInt32BE(0);
    return timeNumber((upper & 3) * 2 ** 32 + body.readUInt32BE(4), upper >>> 2);
  }
  if (length === 12) {
    const seconds = body.readInt32BE(4) * 2 ** 32 + body.readUInt32BE(8);
    return timeNumber(seconds, body.readUInt32BE(0));
  }
  throw new UnreadableError('a timestamp in it is of no known length');
}

function readString({ reader }: BinaryState, length: number): string {
  const start = reader.passText(length);
  return reader.bytes.toString('utf8', start, start + length);
}

function readKey(state: BinaryState): string {
  const { reader } = state;
  const token = reader.bytes[reader.at] as number;
  if (token >= 0xa0 && token <= 0xbf) {
    reader.byte();
    const start = reader.passText(token - 0xa0);
    return state.readText(reader.bytes, start, reader.at);
  }
  const value = readValue(state);
  if (typeof value === 'object' && value !== null) {
    throw new UnreadableError('a key in it is no text');
  }
  return String(value);
}

function enterItems(state: BinaryState, count: number, bytesEach: number): void {
  state.reader.expectItems(count, bytesEach);
  enter(state);
}

function readList(state: BinaryState, count: number): unknown[] {
  if (state.depth > 0) state.hasInnerLists = true;
  enterItems(state, count, 1);
  const values: unknown[] = [];
  for (let index = 0; index < count; index++) values.push(readValue(state));
  state.depth--;
  return values;
}

function readMap(state: BinaryState, count: number): Fields {
  enterItems(state, count, 2);
  // Small ones are made at their size: lists that grow take room for seventeen at once. Of large ones nobody knows yet
  // whether they hold what they promise, and whether there are others like them inside.
  const known = count <= SMALL_MAP ? count : 0;
  const keys = new Array<string>(known);
  const values = new Array<unknown>(known);
  for (let index = 0; index < count; index++) {
    keys[index] = readKey(state);
    values[index] = readValue(state);
  }
  state.depth--;
  return new Fields(keys, values);
}

/** Reads one value and what is in it. */
function readValue(state: BinaryState): unknown {
  const token = state.reader.byte();
  if (token <= 0x7f) return token;
  if (token >= 0xe0) return token - 0x100;
  if (token <= 0x8f) return readMap(state, token - 0x80);
  if (token <= 0x9f) return readList(state, token - 0x90);
  if (token <= 0xbf) return readString(state, token - 0xa0);
  if (token <= 0xc9) return readPlainOrBinary(state.reader, token);
  return token <= 0xd3 ? readNumber(state.reader, token) : readLong(state, token);
}

function readPlainOrBinary(reader: BinaryReader, token: number): unknown {
  switch (token) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return reader.take(reader.byte());
    case 0xc5:
      return reader.take(reader.uint16());
    case 0xc6:
      return reader.take(reader.uint32());
    case 0xc7:
      return readExtension(reader, reader.byte());
    case 0xc8:
      return readExtension(reader, reader.uint16());
    case 0xc9:
      return readExtension(reader, reader.uint32());
    default:
      throw new UnreadableError('it holds 0xC1, which is never used');
  }
}

function readNumber(reader: BinaryReader, token: number): number {
  switch (token) {
    case 0xca:
      return reader.float32();
    case 0xcb:
      return reader.float64();
    case 0xcc:
      return reader.byte();
    case 0xcd:
      return reader.uint16();
    case 0xce:
      return reader.uint32();
    case 0xcf:
      return reader.uint64();
    case 0xd0:
      return (reader.byte() << 24) >> 24;
    case 0xd1:
      return (reader.uint16() << 16) >> 16;
    case 0xd2:
      return reader.uint32() | 0;
    default:
      return reader.int64();
  }
}

function readLong(state: BinaryState, token: number): unknown {
  const { reader } = state;
  switch (token) {
    case 0xd9:
      return readString(state, reader.byte());
    case 0xda:
      return readString(state, reader.uint16());
    case 0xdb:
      return readString(state, reader.uint32());
    case 0xdc:
      return readList(state, reader.uint16());
    case 0xdd:
      return readList(state, reader.uint32());
    case 0xde:
      return readMap(state, reader.uint16());
    case 0xdf:
      return readMap(state, reader.uint32());
    default:
      // fixext 1, 2, 4, 8 and 16.
      return readExtension(reader, 1 << (token - 0xd4));
  }
}

/** Makes a decoder of MessagePack: one value that takes every byte. */
export function createMessagePackDecoder(readText: ReadText): Decoder {
  return createBinaryDecoder({ name: 'MessagePack', valueName: 'value' }, readText, readValue);
}
