// Columns as MessagePack, written from their arrays: the library takes values, of which a column would be as many boxes.
import { pack } from 'msgpackr';
import { type ByteBuffer, reserve } from '../../lib/byte-buffer.ts';

const US_PER_MS = 1_000;
/** Of the head of a map or an array, and of a number. */
const HEAD_BYTES_MAX = 5;
const NUMBER_BYTES_MAX = 9;

/** Writes a value as the library has it. */
export function writePacked(buffer: ByteBuffer, value: unknown): void {
  const packed = pack(value);
  reserve(buffer, packed.length);
  buffer.bytes.set(packed, buffer.length);
  buffer.length += packed.length;
}

/** Writes the head of a map of so many members, up to 65,535. */
export function writeMapHead(buffer: ByteBuffer, members: number): void {
  reserve(buffer, HEAD_BYTES_MAX);
  buffer.view.setUint8(buffer.length, 0xde);
  buffer.view.setUint16(buffer.length + 1, members);
  buffer.length += 3;
}

/** Writes the head of an array of so many entries. */
export function writeArrayHead(buffer: ByteBuffer, entries: number): void {
  reserve(buffer, HEAD_BYTES_MAX);
  const { view, length } = buffer;
  if (entries < 0x10) {
    view.setUint8(length, 0x90 | entries);
    buffer.length += 1;
  } else if (entries < 0x1_0000) {
    view.setUint8(length, 0xdc);
    view.setUint16(length + 1, entries);
    buffer.length += 3;
  } else {
    view.setUint8(length, 0xdd);
    view.setUint32(length + 1, entries);
    buffer.length += 5;
  }
}

/** Writes numbers as an array, NaN as nil; times come as µs and are written as ms. */
export function writePackedNumbers(
  buffer: ByteBuffer,
  cells: Float64Array,
  areTimes: boolean,
): void {
  writeArrayHead(buffer, cells.length);
  reserve(buffer, cells.length * NUMBER_BYTES_MAX);
  const { view } = buffer;
  let at = buffer.length;
  for (let row = 0; row < cells.length; row++) {
    const cell = cells[row]!;
    at = writeNumber(view, at, areTimes ? cell / US_PER_MS : cell);
  }
  buffer.length = at;
}

/** An integer of 32 bits in the shortest form, else a double; a zero keeps its sign. */
function writeNumber(view: DataView, at: number, x: number): number {
  if (x >>> 0 === x && !(x === 0 && 1 / x < 0)) return writeUnsigned(view, at, x);
  if (x < 0 && x >> 0 === x) return writeNegative(view, at, x);
  if (Number.isNaN(x)) {
    view.setUint8(at, 0xc0);
    return at + 1;
  }
  view.setUint8(at, 0xcb);
  view.setFloat64(at + 1, x);
  return at + 9;
}

function writeUnsigned(view: DataView, at: number, x: number): number {
  if (x < 0x80) {
    view.setUint8(at, x);
    return at + 1;
  }
  if (x < 0x100) {
    view.setUint8(at, 0xcc);
    view.setUint8(at + 1, x);
    return at + 2;
  }
  if (x < 0x1_0000) {
    view.setUint8(at, 0xcd);
    view.setUint16(at + 1, x);
    return at + 3;
  }
  view.setUint8(at, 0xce);
  view.setUint32(at + 1, x);
  return at + 5;
}

function writeNegative(view: DataView, at: number, x: number): number {
  if (x >= -0x20) {
    view.setInt8(at, x);
    return at + 1;
  }
  if (x >= -0x80) {
    view.setUint8(at, 0xd0);
    view.setInt8(at + 1, x);
    return at + 2;
  }
  if (x >= -0x8000) {
    view.setUint8(at, 0xd1);
    view.setInt16(at + 1, x);
    return at + 3;
  }
  view.setUint8(at, 0xd2);
  view.setInt32(at + 1, x);
  return at + 5;
}
