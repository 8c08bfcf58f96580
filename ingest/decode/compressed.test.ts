import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZSTD_FRAMES } from '../../test/payloads/zstd-frames.ts';
import { INFLATED_BYTES_MAX, inflate, isCompressed } from './compressed.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** What became of it: its text, or a fault's code. */
function inflated(payload: Uint8Array): string {
  expect(isCompressed(payload)).toBe(true);
  const got = inflate(payload);
  return 'code' in got ? got.code : Buffer.from(got).toString('utf8');
}

/** A frame of zstd: its blocks as they stand. */
function frame(
  descriptor: string,
  ...blocks: [last: boolean, type: number, size: number, body: Uint8Array][]
) {
  const parts = blocks.map(([last, type, size, body]) => {
    const head = Buffer.alloc(3);
    head.writeUIntLE((last ? 1 : 0) | (type << 1) | (size << 3), 0, 3);
    return Buffer.concat([head, body]);
  });
  return Buffer.concat([hex('28 b5 2f fd'), hex(descriptor), ...parts]);
}

const raw = (text: string, last = true): [boolean, number, number, Uint8Array] => [
  last,
  0,
  Buffer.byteLength(text),
  Buffer.from(text),
];
const repeated = (size: number, last = true): [boolean, number, number, Uint8Array] => [
  last,
  1,
  size,
  Buffer.from('a'),
];

describe('gzip', () => {
  it('is inflated, its members one after the other', () => {
    expect(inflated(gzipSync('7'))).toBe('7');
    expect(inflated(Buffer.concat([gzipSync('{"a"'), gzipSync(':1}')]))).toBe('{"a":1}');
  });

  it.each<[string, Uint8Array]>([
    ['with something behind it', Buffer.concat([gzipSync('7'), Buffer.alloc(4, 0xff)])],
    ['cut off', gzipSync('x'.repeat(100)).subarray(0, 20)],
    ['its magic alone', hex('1f 8b 08')],
    ['of another sum', Buffer.concat([gzipSync('7').subarray(0, -8), Buffer.alloc(8)])],
  ])('is unreadable: %s', (_what, payload) => {
    expect(inflated(payload)).toBe('payload_unreadable');
  });

  it('is refused where it inflates to more than is allowed, without the memory for it', () => {
    const bomb = gzipSync(Buffer.alloc(INFLATED_BYTES_MAX * 8));
    const twoMembers = Buffer.concat([bomb, gzipSync('7')]);
    const before = process.memoryUsage().rss;
    expect(inflated(bomb)).toBe('payload_too_large');
    expect(inflated(twoMembers)).toBe('payload_too_large');
    expect(process.memoryUsage().rss - before).toBeLessThan(INFLATED_BYTES_MAX * 4);
  });

  it('may inflate to just what is allowed', () => {
    const got = inflate(gzipSync(Buffer.alloc(INFLATED_BYTES_MAX)));
    expect('code' in got ? got : got.length).toBe(INFLATED_BYTES_MAX);
  });
});

describe('zstd', () => {
  it.each(ZSTD_FRAMES)('is inflated, made with %s', (_options, text, base64) => {
    const payload = Buffer.from(base64, 'base64');
    expect(inflated(payload)).toBe(text);
  });

  it.each<[string, Uint8Array, string]>([
    ['a raw block', frame('00 58', raw('7')), '7'],
    ['several blocks', frame('00 58', raw('1', false), raw('', false), raw('2')), '12'],
    ['a repeated byte', frame('00 58', repeated(3)), 'aaa'],
    ['its size', frame('20 01', raw('7')), '7'],
    ['several frames', Buffer.concat([frame('00 58', raw('1')), frame('00 58', raw('2'))]), '12'],
    [
      'what is to be skipped',
      Buffer.concat([hex('5f 2a 4d 18 02 00 00 00 aa bb'), frame('00 58', raw('7'))]),
      '7',
    ],
  ])('has %s', (_what, payload, text) => {
    expect(inflated(payload)).toBe(text);
  });

  it.each<[string, Uint8Array]>([
    ['its magic alone', hex('28 b5 2f fd')],
    ['cut off', frame('00 58', raw('1234567')).subarray(0, -1)],
    ['without a last block', frame('00 58', raw('7', false))],
    ['a block of no type', frame('00 58', [true, 3, 1, Buffer.of(0)])],
    ['a block too large', frame('00 58', [true, 1, 200_000, Buffer.of(0)])],
    ['a compressed block of nothing', frame('00 58', [true, 2, 0, Buffer.of()])],
    ['a size that is not what it holds', frame('20 02', raw('7'))],
    ['more than it says', frame('20 01', raw('78'))],
    ['a compressed block of noise', frame('00 58', [true, 2, 8, hex('ff ff ff ff ff ff ff ff')])],
    ['a reserved bit', frame('08 58', raw('7'))],
    ['a dictionary', frame('01 58 07', raw('7'))],
    ['a checksum of something else', Buffer.concat([frame('04 58', raw('7')), Buffer.alloc(4)])],
    ['a checksum that is missing', frame('04 58', raw('7'))],
    ['something else behind it', Buffer.concat([frame('00 58', raw('7')), Buffer.alloc(8)])],
    [
      'too many frames',
      Buffer.concat(Array.from({ length: 1_001 }, () => frame('20 01', raw('7')))),
    ],
    ['what is to be skipped, longer than all', hex('50 2a 4d 18 ff ff ff ff')],
  ])('is unreadable: %s', (_what, payload) => {
    expect(inflated(payload)).toBe('payload_unreadable');
  });

  it('takes no window on trust', () => {
    const before = process.memoryUsage().rss;
    expect(inflated(frame('00 a0', raw('7')))).toBe('7');
    expect(process.memoryUsage().rss - before).toBeLessThan(INFLATED_BYTES_MAX * 4);
  });

  it('is refused where it inflates to more than is allowed, before it does', () => {
    // 32 KiB of blocks that repeat a byte, 1 GiB in all; then one that says its size and lies about it.
    const bomb = frame(
      '00 58',
      ...Array.from({ length: 8_191 }, () => repeated(131_072, false)),
      repeated(131_072),
    );
    const started = performance.now();
    expect(inflated(bomb)).toBe('payload_too_large');
    expect(inflated(frame('e0 00 00 00 40 00 00 00 00', raw('7')))).toBe('payload_too_large');
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('is refused where one block holds more than a block may, however little it takes', () => {
    // 40,000 sequences of a match of 65,539 bytes and more, in 16 bits each.
    const bits = Buffer.alloc(80_001);
    bits[80_000] = 1;
    const sequences = Buffer.concat([hex('00 ff 40 1d 54 00 00 34'), bits]);
    const payload = frame('00 58', raw('12345678', false), [true, 2, sequences.length, sequences]);
    const started = performance.now();
    expect(inflated(payload)).toBe('payload_unreadable');
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('never throws, whatever bytes come', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...ZSTD_FRAMES), fc.nat(), fc.nat(255))
      .map(([[, , base64], at, byte]) => {
        const bytes = Buffer.from(base64, 'base64');
        bytes[4 + (at % (bytes.length - 4))] = byte;
        return bytes;
      });
    const noise = fc.uint8Array().map((bytes) => Buffer.concat([hex('28 b5 2f fd'), bytes]));
    fc.assert(
      fc.property(fc.oneof(mutated, noise), (payload) => {
        const got = inflate(payload);
        if (!('code' in got)) expect(got.length).toBeLessThanOrEqual(INFLATED_BYTES_MAX);
      }),
      { numRuns: 500 },
    );
  });
});

it('what is not compressed is told by its first bytes', () => {
  for (const text of ['', '7', '{"a":1}', 'm f=1'])
    expect(isCompressed(Buffer.from(text))).toBe(false);
});
