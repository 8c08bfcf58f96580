// Numbers straight from the bytes of a text, where that is exact.

/**
 * The plain decimal number of at most 15 digits that stands from `start` to `end`; NaN where it is anything else.
 * Digits and power of ten are both exact in a double there, so their quotient is rounded right (Clinger 1990).
 * Leading zeros are read, too: `hasLeadingZeros` tells.
 */
export function plainNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  const first = at;
  if (end - at > 16 || end === at) return Number.NaN;
  let digits = 0;
  let point = -1;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x30 && byte <= 0x39) digits = digits * 10 + (byte - 0x30);
    else if (byte === 0x2e && point === -1 && at > first && at < end - 1) point = at;
    else return Number.NaN;
  }
  if (end - first - (point === -1 ? 0 : 1) > 15) return Number.NaN;
  const size = point === -1 ? digits : digits / 10 ** (end - 1 - point);
  return first === start ? size : -size;
}

/** Whether a plain number is written with zeros that JSON does not allow: 007. */
export function hasLeadingZeros(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] === 0x2d ? start + 1 : start;
  return bytes[first] === 0x30 && end > first + 1 && bytes[first + 1] !== 0x2e;
}

/** A view of the same bytes that can be read as text. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
