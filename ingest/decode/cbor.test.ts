import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { createCborDecoder } from './cbor.ts';
import { decodeJson } from './json.ts';
import { createTextCache } from './text-cache.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;

const encoder = new Encoder({ useRecords: false, variableMapSize: true });
const decodeCbor = createCborDecoder(createTextCache());
const decode = (payload: Uint8Array) => tell(decodeCbor, payload);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const is = (value: unknown) => [['', NOW_US, value]];

// Most are from RFC 8949, appendix A.
describe('an item', () => {
  it.each<[string, string, unknown]>([
    ['0', '00', is(0)],
    ['23', '17', is(23)],
    ['24', '18 18', is(24)],
    ['1000', '19 03 e8', is(1000)],
    ['1000000', '1a 00 0f 42 40', is(1_000_000)],
    ['1000000000000', '1b 00 00 00 e8 d4 a5 10 00', is(1e12)],
    ['18446744073709551615', '1b ff ff ff ff ff ff ff ff', is(2 ** 64)],
    ['18446744073709551616', 'c2 49 01 00 00 00 00 00 00 00 00', is(2 ** 64)],
    ['-18446744073709551616', '3b ff ff ff ff ff ff ff ff', is(-(2 ** 64))],
    ['-18446744073709551617', 'c3 49 01 00 00 00 00 00 00 00 00', is(-(2 ** 64))],
    ['a bignum of no bytes', 'c2 40', is(0)],
    ['a bignum too large', `c2 59 04 01 ${'ff'.repeat(1025)}`, ['value_not_finite']],
    ['-1', '20', is(-1)],
    ['-1000', '39 03 e7', is(-1000)],
    ['0.0', 'f9 00 00', is(0)],
    ['1.5', 'f9 3e 00', is(1.5)],
    ['65504.0', 'f9 7b ff', is(65_504)],
    ['5.960464477539063e-8', 'f9 00 01', is(2 ** -24)],
    ['0.00006103515625', 'f9 04 00', is(0.00006103515625)],
    ['-4.0', 'f9 c4 00', is(-4)],
    ['100000.0', 'fa 47 c3 50 00', is(100_000)],
    ['1.1', 'fb 3f f1 99 99 99 99 99 9a', is(1.1)],
    ['Infinity', 'f9 7c 00', ['value_not_finite']],
    ['NaN', 'f9 7e 00', ['ignored']],
    ['-Infinity', 'fb ff f0 00 00 00 00 00 00', ['value_not_finite']],
    ['false', 'f4', is('false')],
    ['true', 'f5', is('true')],
    ['null', 'f6', ['ignored']],
    ['undefined', 'f7', ['ignored']],
    ['a text', '64 49 45 54 46', is('IETF')],
    ['a text in parts', '7f 65 73 74 72 65 61 64 6d 69 6e 67 ff', is('streaming')],
    ['a text in no parts', '7f ff', is('')],
    ['bytes', '44 01 02 03 04', ['value_binary']],
    ['bytes in parts', '5f 42 01 02 43 03 04 05 ff', ['value_binary']],
    ['a decimal fraction', 'c4 82 21 19 6a b3', is(273.15)],
    ['a bigfloat', 'c5 82 20 03', is(1.5)],
    ['a bigfloat of small parts', 'c5 82 39 04 31 c2 43 01 00 00', is(65_536 * 2 ** -1074)],
    ['a text under a tag that says nothing', 'd8 20 61 61', is('a')],
    ['a self-described item', 'd9 d9 f7 07', is(7)],
    ['a list', '83 01 02 03', [...is(1), ...is(2), ...is(3)]],
    ['a list without a length', '9f 01 02 ff', [...is(1), ...is(2)]],
    [
      'a map',
      'a2 61 61 01 61 62 f5',
      [
        ['a', NOW_US, 1],
        ['b', NOW_US, 'true'],
      ],
    ],
    ['a map without a length', 'bf 61 61 01 ff', [['a', NOW_US, 1]]],
    ['a map with a number for a key', 'a1 20 01', [['-1', NOW_US, 1]]],
    [
      'a map with a key of objects',
      'a1 69 5f 5f 70 72 6f 74 6f 5f 5f 01',
      [['__proto__', NOW_US, 1]],
    ],
    ['a map with a key in parts', 'a1 7f 61 61 61 62 ff 01', [['ab', NOW_US, 1]]],
  ])('%s', (_what, payload, told) => {
    expect(decode(hex(payload))).toEqual(told);
  });
});

describe('a time', () => {
  const point = (time: string) => hex(`a2 62 74 73 ${time} 61 76 01`);

  it.each<[string, string, unknown]>([
    ['of text', `c0 74 ${Buffer.from('2026-01-01T00:00:00Z').toString('hex')}`, [['', AT, 1]]],
    ['of seconds', 'c1 1a 69 55 b9 00', [['', AT, 1]]],
    ['of seconds with a fraction', 'c1 fb 41 da 55 6e 40 20 00 00', [['', AT + 500_000, 1]]],
    ['without a tag', '1a 69 55 b9 00', [['', AT, 1]]],
  ])('%s', (_what, time, told) => {
    expect(decode(point(time))).toEqual(told);
  });

  it('is what cbor-x makes of a date', () => {
    expect(decode(encoder.encode({ ts: new Date(TS), v: 1 }))).toEqual([['', AT, 1]]);
  });
});

describe('what is no CBOR', () => {
  it.each([
    ['01 02'],
    ['18'],
    ['1c'],
    ['1f'],
    ['3f'],
    ['62 61'],
    ['61 ff'],
    ['7f 41 61 ff'],
    ['7f 61 61'],
    ['7f 7f 61 61 ff ff'],
    ['82 01'],
    ['9f 01'],
    ['a1 61 61'],
    ['a1 80 01'],
    ['bf 61 61 ff'],
    ['9b ff ff ff ff ff ff ff ff'],
    ['5b 00 00 00 01 00 00 00 00'],
    ['c1'],
    ['c2 01'],
    ['c4 81 01'],
    ['e0'],
    ['f8 20'],
    ['fc'],
    ['ff'],
    ['81'.repeat(10_000)],
    ['c6'.repeat(10_000)],
    ['9f'.repeat(10_000)],
  ])('%s', (payload) => {
    expect(decode(hex(payload))).toBe('payload_unreadable');
  });

  it('is nothing', () => {
    expect(decode(Buffer.alloc(0))).toBe('payload_empty');
  });
});

it('reads whatever JSON can say as JSON does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const json = JSON.stringify(value);
      expect(decode(encoder.encode(JSON.parse(json)))).toEqual(tell(decodeJson, json));
    }),
    { numRuns: 1_000 },
  );
});

it('never throws, whatever bytes come', () => {
  const mutated = fc
    .tuple(fc.jsonValue({ maxDepth: 3 }), fc.nat(), fc.nat(255))
    .map(([value, at, byte]) => {
      const bytes = Buffer.from(encoder.encode(value));
      bytes[at % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (payload) => {
      const told = decode(payload);
      expect(typeof told === 'string' || told.length > 0).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});
