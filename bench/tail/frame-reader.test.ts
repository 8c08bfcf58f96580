// Frames are counted and shown alike however the bytes are cut.
import { describe, expect, it } from 'vitest';
import { createFrameReader } from './frame-reader.ts';

/** A frame as a server sends it, its length written the way that the size asks for. */
function frameOf(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  else if (head.length === 10) head.writeUInt32BE(length, 6);
  return Buffer.concat([head, payload]);
}

const SIZES = [0, 3, 125, 126, 200, 65_536];
const PAYLOADS = SIZES.map((size, index) => Buffer.alloc(size, 97 + index));
const STREAM = Buffer.concat([
  ...PAYLOADS.flatMap((payload) => [frameOf(1, payload), frameOf(9, Buffer.alloc(0))]),
]);

describe.each([true, false])('a reader of frames, whole: %s', (whole) => {
  it.each([13, 127, 4_096, 65_536, STREAM.length])('in pieces of %i bytes', (size) => {
    const shown: Buffer[] = [];
    let pings = 0;
    const reader = createFrameReader(whole, {
      frame: (payload) => shown.push(Buffer.from(payload)),
      ping: () => {
        pings += 1;
      },
    });
    for (let at = 0; at < STREAM.length; at += size) reader.read(STREAM.subarray(at, at + size));
    expect(shown).toHaveLength(PAYLOADS.length);
    expect(pings).toBe(PAYLOADS.length);
    if (whole) expect(shown.every((one, index) => one.equals(PAYLOADS[index]!))).toBe(true);
  });
});
