import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { decodeJson } from './json.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const TS_US = TS * 1000;

const decode = (payload: string | Uint8Array) => tell(decodeJson, payload);

describe('a scalar', () => {
  it.each([
    ['23.5', [['', NOW_US, 23.5]]],
    ['-1e-3', [['', NOW_US, -0.001]]],
    [' 7\n', [['', NOW_US, 7]]],
    ['\ufeff7', [['', NOW_US, 7]]],
    ['"12.5"', [['', NOW_US, 12.5]]],
    ['" -3 "', [['', NOW_US, -3]]],
    ['"open"', [['', NOW_US, 'open']]],
    ['""', [['', NOW_US, '']]],
    ['true', [['', NOW_US, 'true']]],
    ['false', [['', NOW_US, 'false']]],
    ['null', ['ignored']],
    ['NaN', ['ignored']],
    ['"NaN"', ['ignored']],
    ['Infinity', ['value_not_finite']],
    ['-Infinity', ['value_not_finite']],
    ['"Infinity"', ['value_not_finite']],
    ['1e999', ['value_not_finite']],
    ['"\\u0000"', ['value_text_invalid']],
    ['"\\ud800"', ['value_text_invalid']],
    ['"\\ud83d\\ude00"', [['', NOW_US, '😀']]],
    [JSON.stringify('x'.repeat(65_537)), ['value_too_long']],
  ])('%s', (payload, told) => {
    expect(decode(payload)).toEqual(told);
  });

  it('is the same number that JSON.parse reads, however it is written', () => {
    const text = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
      fc
        .tuple(fc.nat(99_999_999), fc.nat(9_999_999), fc.boolean())
        .map(([whole, rest, negative]) => `${negative ? '-' : ''}${whole}.${rest}`),
      fc.maxSafeInteger().map(String),
      fc.stringMatching(/^-?[0-9.]{1,18}$/),
    );
    fc.assert(
      fc.property(text, (payload) => {
        let parsed: unknown;
        try {
          parsed = JSON.parse(payload);
        } catch {
          expect(decode(payload)).toBe('payload_not_json');
          return;
        }
        expect(decode(payload)).toEqual([['', NOW_US, parsed]]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a point', () => {
  it.each([
    [`{"ts":${TS},"value":1}`, [['', TS_US, 1]]],
    [`{"t":${TS},"v":1}`, [['', TS_US, 1]]],
    [`{"time":"2026-01-01T00:00:00Z","value":"on"}`, [['', TS_US, 'on']]],
    [`{"timestamp":${TS / 1000},"v":true}`, [['', TS_US, 'true']]],
    ['{"value":1}', [['', NOW_US, 1]]],
    ['{"ts":null,"value":1}', [['', NOW_US, 1]]],
    [`{"ts":${TS},"value":1,"q":192}`, [['', TS_US, 1, 192]]],
    [`{"ts":${TS},"value":1,"quality":"-1"}`, [['', TS_US, 1, -1]]],
    [`{"ts":${TS},"value":1,"q":null}`, [['', TS_US, 1]]],
    [`{"ts":${TS},"value":1,"q":40000}`, ['quality_invalid']],
    [`{"ts":${TS},"value":1,"q":"bad"}`, ['quality_invalid']],
    [`{"ts":${TS},"value":null}`, ['ignored']],
    [`{"ts":${TS},"value":NaN}`, ['ignored']],
    [`{"ts":${TS},"value":-Infinity}`, ['value_not_finite']],
    [`{"ts":${TS},"value":{"a":1}}`, ['value_nested']],
    [`{"ts":${TS},"value":[1]}`, ['value_nested']],
    ['{"ts":"2026-01-01","value":1}', ['time_invalid']],
    ['{"ts":true,"value":1}', ['time_invalid']],
    ['{"ts":0,"value":1}', ['time_out_of_range']],
    ['{"ts":"2200-01-01T00:00:00Z","value":1}', ['time_out_of_range']],
    [`{"ts":1,"ts":${TS},"value":1,"value":2}`, [['', TS_US, 2]]],
    [`{"t":${TS + 1},"ts":${TS},"v":1}`, [['', TS_US, 1]]],
    [`{"ts":${TS},"value":1,"q":true}`, [['', TS_US, 1]]],
    [`{"ts":${TS},"value":1,"q":false}`, [['', TS_US, 1, 1]]],
    [`{"ts":${TS},"value":1,"q":1.5}`, ['quality_invalid']],
    [`{"ts":${TS},"value":1,"q":-32768}`, [['', TS_US, 1, -32_768]]],
    [
      '{"value":1,"tenant":"acme"}',
      [
        ['value', NOW_US, 1],
        ['tenant', NOW_US, 'acme'],
      ],
    ],
    ['{"value":1,"tenant":"other"}', ['payload_names_other']],
    ['{"value":1,"asset":"other"}', ['payload_names_other']],
    [
      '{"value":1,"asset":7}',
      [
        ['value', NOW_US, 1],
        ['asset', NOW_US, 7],
      ],
    ],
  ])('%s', (payload, told) => {
    expect(decode(payload)).toEqual(told);
  });
});

describe('an object of several', () => {
  it.each([
    [
      `{"ts":${TS},"flow":1,"state":"on","pump":false}`,
      [
        ['flow', TS_US, 1],
        ['state', TS_US, 'on'],
        ['pump', TS_US, 'false'],
      ],
    ],
    ['{"flow":1.5}', [['flow', NOW_US, 1.5]]],
    [
      `{"value":1,"unit":"bar","ts":${TS}}`,
      [
        ['value', TS_US, 1],
        ['unit', TS_US, 'bar'],
      ],
    ],
    [`{"ts":${TS},"values":{"flow":1,"rpm":null}}`, [['flow', TS_US, 1], 'ignored']],
    [`{"ts":${TS},"values":{"flow":1},"q":7}`, [['flow', TS_US, 1, 7]]],
    [
      '{"values":{"flow":1},"rig":"X"}',
      [
        ['flow', NOW_US, 1],
        ['rig', NOW_US, 'X'],
      ],
    ],
    [
      `{"ts":${TS},"values":{"a":1},"value":5}`,
      [
        ['a', TS_US, 1],
        ['value', TS_US, 5],
      ],
    ],
    ['{"flow":{"in":1},"rpm":2}', ['value_nested', ['rpm', NOW_US, 2]]],
    ['{"ts":0,"a":1,"b":2,"c":null}', ['time_out_of_range', 'time_out_of_range', 'ignored']],
    ['{"":1,"a":2}', ['key_empty', ['a', NOW_US, 2]]],
    [
      '{"__proto__":1,"constructor":2}',
      [
        ['__proto__', NOW_US, 1],
        ['constructor', NOW_US, 2],
      ],
    ],
    ['{}', 'no_reading'],
    [`{"ts":${TS}}`, 'no_reading'],
    [`{"ts":${TS},"values":{}}`, 'no_reading'],
  ])('%s', (payload, told) => {
    expect(decode(payload)).toEqual(told);
  });
});

describe('a list', () => {
  it.each([
    [
      `[{"ts":${TS},"value":1},{"ts":${TS + 1},"a":2},3,null]`,
      [['', TS_US, 1], ['a', TS_US + 1000, 2], ['', NOW_US, 3], 'ignored'],
    ],
    ['[[1]]', ['value_nested']],
    ['[]', 'no_reading'],
    ['[{}]', 'no_reading'],
  ])('%s', (payload, told) => {
    expect(decode(payload)).toEqual(told);
  });
});

describe('what is no JSON', () => {
  it.each([
    ['', 'payload_empty'],
    ['on', 'payload_not_json'],
    ['{"a":1', 'payload_not_json'],
    ['{"a":NaNo}', 'payload_not_json'],
    ['007', 'payload_not_json'],
    ['1.', 'payload_not_json'],
    ['.5', 'payload_not_json'],
    ['-', 'payload_not_json'],
    ['['.repeat(100_000), 'payload_not_json'],
    [Buffer.from([0x22, 0xff, 0x22]), 'payload_not_utf8'],
    [Buffer.from([0xc0, 0x80]), 'payload_not_utf8'],
  ])('%s', (payload, code) => {
    expect(decode(payload)).toBe(code);
  });

  it('keeps the bare words of Python out of texts', () => {
    expect(decode('{"a":"NaN is -Infinity \\" NaN","b":NaN,"c":[NaN]}')).toEqual([
      ['a', NOW_US, 'NaN is -Infinity " NaN'],
      'ignored',
      'value_nested',
    ]);
  });

  it('looks for bare words in linear time', () => {
    const quotes = '\\"'.repeat(300_000);
    expect(decode(`{"a":NaN,"b":${quotes}`)).toBe('payload_not_json');
    expect(decode(`{"a":NaN,"b":"${quotes}"}`)).toEqual(['ignored', 'value_too_long']);
  });

  it('reads 100,000 levels without a stack overflow', () => {
    expect(decode(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toEqual(['value_nested']);
  });

  it('never throws, and counts at least one reading of every payload', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (payload) => {
          const told = decode(payload);
          expect(typeof told === 'string' || told.length > 0).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
