import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPacketScanner } from './packet-scanner.ts';

/** A remaining length as MQTT writes it. */
function lengthBytes(length: number): number[] {
  const low = length % 128;
  return length < 128 ? [low] : [low | 0x80, ...lengthBytes(Math.floor(length / 128))];
}

const packet = fc
  .record({
    type: fc.nat(15),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 10 }),
      fc.constantFrom(127, 128, 300, 16_384).map((length) => new Uint8Array(length)),
    ),
  })
  .map(({ type, body }) => ({
    type,
    bytes: Buffer.from([type << 4, ...lengthBytes(body.length), ...body]),
  }));

it('finds every packet and its type, wherever the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(packet), fc.array(fc.integer({ min: 1, max: 300 })), (packets, cuts) => {
      const stream = Buffer.concat(packets.map(({ bytes }) => bytes));
      const scanner = createPacketScanner();
      const byType = new Map<number, Buffer[]>();
      for (let at = 0, i = 0; at < stream.length; i++) {
        const chunk = stream.subarray(at, at + (cuts[i % cuts.length] ?? stream.length));
        at += chunk.length;
        const fault = scanner.scan(chunk, (type, start, end) => {
          byType.set(type, [...(byType.get(type) ?? []), chunk.subarray(start, end)]);
        });
        expect(fault).toBeUndefined();
      }
      for (let type = 0; type < 16; type++) {
        const found = Buffer.concat(byType.get(type) ?? []);
        const sent = packets.filter((p) => p.type === type).map(({ bytes }) => bytes);
        expect(found.equals(Buffer.concat(sent))).toBe(true);
      }
    }),
  );
});

it.each([
  ['a body of the maximum', [0x30, ...lengthBytes(1_000)], undefined],
  ['a body one byte larger', [0x30, ...lengthBytes(1_001)], 'packet_too_large'],
  ['a length of five bytes', [0x30, 0x80, 0x80, 0x80, 0x80, 1], 'malformed_length'],
])('judges %s by its header alone', (_what, bytes, fault) => {
  expect(createPacketScanner(1_000).scan(Buffer.from(bytes))).toBe(fault);
});
