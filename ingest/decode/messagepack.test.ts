import fc from 'fast-check';
import { Packr, pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { decodeJson } from './json.ts';
import { createMessagePackDecoder } from './messagepack.ts';
import { createTextCache } from './text-cache.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;

const decodeMessagePack = createMessagePackDecoder(createTextCache());
const decode = (payload: Uint8Array) => tell(decodeMessagePack, payload);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const is = (value: unknown) => [['', NOW_US, value]];

describe('a value', () => {
  it.each<[string, string, unknown]>([
    ['positive fixint', '7f', is(127)],
    ['negative fixint', 'e0', is(-32)],
    ['nil', 'c0', ['ignored']],
    ['false', 'c2', is('false')],
    ['true', 'c3', is('true')],
    ['float 32', 'ca 3f 80 00 00', is(1)],
    ['float 64', 'cb 40 35 80 00 00 00 00 00', is(21.5)],
    ['float 64 that is no number', 'cb 7f f8 00 00 00 00 00 00', ['ignored']],
    ['float 64 that is infinite', 'cb 7f f0 00 00 00 00 00 00', ['value_not_finite']],
    ['float 32 that is infinite', 'ca ff 80 00 00', ['value_not_finite']],
    ['uint 8', 'cc ff', is(255)],
    ['uint 16', 'cd ff ff', is(65_535)],
    ['uint 32', 'ce ff ff ff ff', is(4_294_967_295)],
    ['uint 64', 'cf ff ff ff ff ff ff ff ff', is(2 ** 64)],
    ['uint 64 above 2^53, to the nearest', 'cf 00 20 00 00 00 00 00 03', is(2 ** 53 + 4)],
    ['int 8', 'd0 80', is(-128)],
    ['int 16', 'd1 80 00', is(-32_768)],
    ['int 32', 'd2 80 00 00 00', is(-(2 ** 31))],
    ['int 64', 'd3 80 00 00 00 00 00 00 00', is(-(2 ** 63))],
    ['int 64 of -1', 'd3 ff ff ff ff ff ff ff ff', is(-1)],
    ['fixstr', 'a2 6f 6e', is('on')],
    ['str 8', 'd9 02 6f 6e', is('on')],
    ['str 16', 'da 00 02 6f 6e', is('on')],
    ['str 32', 'db 00 00 00 02 6f 6e', is('on')],
    ['str that is a number', 'a3 31 2e 35', is(1.5)],
    ['str with NUL', 'a1 00', ['value_text_invalid']],
    ['bin 8', 'c4 01 41', ['value_binary']],
    ['bin 16', 'c5 00 01 41', ['value_binary']],
    ['bin 32', 'c6 00 00 00 01 41', ['value_binary']],
    ['fixext 1', 'd4 05 00', ['value_binary']],
    ['ext 8', 'c7 01 05 00', ['value_binary']],
    ['ext 16', 'c8 00 01 05 00', ['value_binary']],
    ['ext 32', 'c9 00 00 00 01 05 00', ['value_binary']],
    ['array 16', 'dc 00 02 01 02', [...is(1), ...is(2)]],
    ['array 32', 'dd 00 00 00 02 01 02', [...is(1), ...is(2)]],
    ['map 16', 'de 00 01 a1 61 01', [['a', NOW_US, 1]]],
    ['map 32', 'df 00 00 00 01 a1 61 01', [['a', NOW_US, 1]]],
    ['map with a number for a key', '81 07 01', [['7', NOW_US, 1]]],
    ['map with an empty key', '81 a0 01', ['key_empty']],
    [
      'map with a key of objects',
      '82 a9 5f 5f 70 72 6f 74 6f 5f 5f 01 a1 61 02',
      [
        ['__proto__', NOW_US, 1],
        ['a', NOW_US, 2],
      ],
    ],
  ])('%s', (_what, payload, told) => {
    expect(decode(hex(payload))).toEqual(told);
  });
});

describe('a timestamp', () => {
  const point = (time: string) => hex(`82 a2 74 73 ${time} a1 76 01`);

  it.each<[string, string, unknown]>([
    ['32', 'd6 ff 69 55 b9 00', [['', AT, 1]]],
    ['64, with nanoseconds', 'd7 ff 1d 6f 34 54 69 55 b9 00', [['', AT + 123_457, 1]]],
    ['96', 'c7 0c ff 07 5b cd 15 00 00 00 00 69 55 b9 00', [['', AT + 123_457, 1]]],
    ['96 before 1970', 'c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff', ['time_out_of_range']],
    ['32 of January 1970', 'd6 ff 00 1a 00 00', ['time_out_of_range']],
    ['96 beyond any date', 'c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff', ['time_invalid']],
    ['of no known length', 'd5 ff 00 00', 'payload_unreadable'],
  ])('%s', (_what, time, told) => {
    expect(decode(point(time))).toEqual(told);
  });

  it('is what msgpackr makes of a date', () => {
    expect(decode(pack({ ts: new Date(TS + 7), v: 1 }))).toEqual([['', AT + 7000, 1]]);
  });
});

describe('what is no MessagePack', () => {
  it.each([
    ['c1'],
    ['01 02'],
    ['92 01'],
    ['81 a1 61'],
    ['a2 6f'],
    ['a1 ff'],
    ['d9'],
    ['cd 00'],
    ['cf 00 00 00 00'],
    ['81 80 01'],
    ['81 c4 01 41 01'],
    ['dd ff ff ff ff 01'],
    ['df ff ff ff ff a1 61 01'],
    ['db ff ff ff ff 61'],
    ['91'.repeat(10_000)],
  ])('%s', (payload) => {
    expect(decode(hex(payload))).toBe('payload_unreadable');
  });

  it('takes no memory on trust, level by level', () => {
    // Each map promises a million entries, and its first value is the next one.
    const level = hex('df 00 10 00 00 a1 61');
    const levels = Buffer.concat(Array.from({ length: 99 }, () => level));
    const before = process.memoryUsage().rss;
    expect(decode(Buffer.concat([levels, Buffer.alloc(2_300_000, 0xc0)]))).toBe(
      'payload_unreadable',
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(1e9);
  });

  it('is nothing', () => {
    expect(decode(Buffer.alloc(0))).toBe('payload_empty');
  });
});

describe('whatever JSON can say', () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });

  it('is read alike', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        // As JSON writes it: -0 is 0 there, and keys have another order.
        const json = JSON.stringify(value);
        expect(decode(packr.pack(JSON.parse(json)))).toEqual(tell(decodeJson, json));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is read alike where it has the shapes of readings', () => {
    const value = fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.constant(null), fc.integer());
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom('ts', 'time', 'v', 'value', 'q', 'values', 'id'),
    );
    const fields = fc.dictionary(key, fc.oneof(value, fc.integer({ min: TS - 1e9, max: TS })), {
      noNullPrototype: true,
    });
    const shape = fc.oneof(
      fields,
      fc.array(fields),
      fc.record({ ts: fc.integer({ min: TS - 1e9, max: TS }), values: fields }),
      fc.record({
        ts: fc.array(fc.integer({ min: TS - 1e9, max: TS })),
        a: fc.array(value),
        v: fc.array(value),
      }),
      fc.record({ timestamp: fc.constant(TS), values: fc.array(fields) }),
    );
    fc.assert(
      fc.property(shape, (payload) => {
        const json = JSON.stringify(payload);
        expect(decode(packr.pack(JSON.parse(json)))).toEqual(tell(decodeJson, json));
      }),
      { numRuns: 1_000 },
    );
  });
});

it('never throws, whatever bytes come', () => {
  const sound = fc.jsonValue({ maxDepth: 3 }).map((value) => pack(value) as Uint8Array);
  const mutated = fc.tuple(sound, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
    const copy = Buffer.from(bytes);
    copy[at % copy.length] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (payload) => {
      const told = decode(payload);
      expect(typeof told === 'string' || told.length > 0).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});
