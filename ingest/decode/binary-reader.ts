// Bytes of a binary format, read one after the other: what MessagePack and CBOR have in common.
import { isUtf8 } from 'node:buffer';
import { bufferOf } from './numbers.ts';

/** A payload that is not of the format, or not of what is read of it. */
export class UnreadableError extends Error {}

/** Deeper payloads hold nothing that is read, and each level takes a call. */
export const DEPTH_MAX = 100;

/** Where in a payload a decoder stands. Numbers are big-endian. */
export interface BinaryReader {
  readonly bytes: Buffer;
  readonly at: number;
  readonly remaining: number;
  byte(): number;
  uint16(): number;
  uint32(): number;
  /** To the nearest double. */
  uint64(): number;
  int64(): number;
  float32(): number;
  float64(): number;
  /** The next `length` bytes, not copied. */
  take(length: number): Buffer;
  /** Passes `length` bytes of text that are UTF-8; gives back where they began. */
  passText(length: number): number;
  /** Throws where `count` items cannot follow, since each takes `bytesEach` at least. */
  expectItems(count: number, bytesEach: number): void;
}

/** Makes a reader; what it cannot read throws an `UnreadableError`. */
export function createBinaryReader(payload: Uint8Array): BinaryReader {
  const bytes = bufferOf(payload);
  const end = bytes.length;
  let at = 0;

  function advance(length: number): number {
    if (length > end - at) throw new UnreadableError('it ends too early');
    const start = at;
    at += length;
    return start;
  }

  return {
    bytes,
    get at() {
      return at;
    },
    get remaining() {
      return end - at;
    },
    byte: () => bytes[advance(1)] as number,
    uint16: () => bytes.readUInt16BE(advance(2)),
    uint32: () => bytes.readUInt32BE(advance(4)),
    // The upper half is exact, so there is one rounding.
    uint64: () => {
      const start = advance(8);
      return bytes.readUInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4);
    },
    int64: () => {
      const start = advance(8);
      return bytes.readInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4);
    },
    float32: () => bytes.readFloatBE(advance(4)),
    float64: () => bytes.readDoubleBE(advance(8)),
    take(length) {
      const start = advance(length);
      return bytes.subarray(start, at);
    },
    passText(length) {
      const start = advance(length);
      let ascii = start;
      while (ascii < at && (bytes[ascii] as number) < 0x80) ascii++;
      if (ascii < at && !isUtf8(bytes.subarray(ascii, at))) {
        throw new UnreadableError('a text in it is not UTF-8');
      }
      return start;
    },
    expectItems(count, bytesEach) {
      if (count * bytesEach > end - at) throw new UnreadableError('it ends too early');
    },
  };
}
