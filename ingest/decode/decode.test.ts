import { gzipSync } from 'node:zlib';
import { Encoder as CborEncoder } from 'cbor-x';
import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { createPayloadDecoder, type Payload } from './decode.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;
const cbor = (value: unknown): Buffer =>
  new CborEncoder({ useRecords: false, variableMapSize: true }).encode(value);

const decodePayload = createPayloadDecoder();

function decode(payload: string | Uint8Array, how: Omit<Payload, 'payload'> = {}) {
  return tell(
    (bytes, context, sink) => decodePayload({ payload: bytes, ...how }, context, sink),
    payload,
  );
}

it('looks at a megabyte of blanks or of quotes for no longer than reading them takes', () => {
  const startedMs = performance.now();
  for (const text of [' ', '\t', '"', ',', 'a,', '1', '\\']) {
    expect(decode(Buffer.alloc(1e6, text))).toEqual(expect.anything());
  }
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

describe('a payload of which nothing says what it is', () => {
  const one = (value: unknown) => [['', NOW_US, value]];
  const bytes = (...all: number[]) => Buffer.from(all);

  it.each<[string | Uint8Array, unknown]>([
    // JSON first: digits are also MessagePack.
    ['7', one(7)],
    ['42', one(42)],
    ['-5', one(-5)],
    [' 7 ', one(7)],
    ['7\n', one(7)],
    ['1e3', one(1000)],
    ['"open"', one('open')],
    ['"7"', one(7)],
    ['true', one('true')],
    ['null', ['ignored']],
    ['NaN', ['ignored']],
    ['Infinity', ['value_not_finite']],
    ['\ufeff{"a":1}', [['a', NOW_US, 1]]],
    ['[]', 'no_reading'],
    ['{}', 'no_reading'],
    ['[1,2]', [...one(1), ...one(2)]],
    ['{"a b=1":2}', [['a b=1', NOW_US, 2]]],
    ['"m f=1"', one('m f=1')],
    ['"time,a\\n1,2"', one('time,a\n1,2')],
    // Text that is none of the formats.
    ['open', 'payload_not_json'],
    ['ON', 'payload_not_json'],
    ['on\n', 'payload_not_json'],
    ['{"a":1', 'payload_not_json'],
    ['{a:1}', 'payload_not_json'],
    ["{'a':1}", 'payload_not_json'],
    ['007', 'payload_not_json'],
    ['1,5', 'payload_not_json'],
    ['12:30', 'payload_not_json'],
    ['1 2 3', 'payload_not_json'],
    ['a=1', 'payload_not_json'],
    ['a = 1', 'payload_not_json'],
    ['hello, world', 'payload_not_json'],
    ['hello, world\nhow, you', 'payload_not_json'],
    ['2026-01-01T00:00:00Z', 'payload_not_json'],
    ['\n\n', 'payload_not_json'],
    ['#', one(35)],
    ['# only a comment\n# and another', 'payload_not_json'],
    // CSV with a time is told by its header, whatever its first row is like.
    ['ts,a\n', 'no_reading'],
    [`ts,a\n${TS},"x\ny"\n`, [['a', AT, 'x\ny']]],
    [`ts,a,b\n${TS},1\n${TS},4,5\n`, [['a', AT, 4], ['b', AT, 5], 'csv_invalid']],
    // Line protocol.
    ['m f=1', [['m/f', NOW_US, 1]]],
    ['m f=1\n', [['m/f', NOW_US, 1]]],
    ['  m f=1', [['m/f', NOW_US, 1]]],
    ['# c\nm f=1', [['m/f', NOW_US, 1]]],
    [`m,a=b f=1 ${TS}000000`, [{ a: 'b' }, ['m/f', AT, 1]]],
    ['true f=1', [['true/f', NOW_US, 1]]],
    ['1 f=1', [['1/f', NOW_US, 1]]],
    ['{x f=1', [['{x/f', NOW_US, 1]]],
    ['größe f=1', [['größe/f', NOW_US, 1]]],
    ['set temp=warm', ['line_invalid']],
    // CSV.
    [`ts,a\n${TS},1`, [['a', AT, 1]]],
    [`ts;a\n${TS};1,5\n`, [['a', AT, 1.5]]],
    [`time\tvalue\n${TS}\t1`, [['', AT, 1]]],
    [
      'a,b\n1,2',
      [
        ['a', NOW_US, 1],
        ['b', NOW_US, 2],
      ],
    ],
    [`"ts","a=b c"\n${TS},1`, [['a=b c', AT, 1]]],
    ['1,2\n3,4', 'payload_not_json'],
    // MessagePack if it takes every byte.
    [bytes(0x2a), one(42)],
    ['*', one(42)],
    [bytes(0x07), one(7)],
    [bytes(0x00), one(0)],
    [bytes(0xff), one(-1)],
    [bytes(0xf5), one(-11)],
    [bytes(0xc0), ['ignored']],
    [bytes(0xc3), one('true')],
    [pack(130), one(130)],
    [pack(-100), one(-100)],
    [pack(21.5), one(21.5)],
    [pack('open'), one('open')],
    [pack({ ts: TS, value: 1 }), [['', AT, 1]]],
    [
      pack({ ts: TS, flow: 1, on: true }),
      [
        ['flow', AT, 1],
        ['on', AT, 'true'],
      ],
    ],
    [pack([1, 2]), [...one(1), ...one(2)]],
    [pack([]), 'no_reading'],
    // Else CBOR.
    [cbor(21.5), one(21.5)],
    [cbor(-100), one(-100)],
    [cbor(1000), one(1000)],
    [cbor({ ts: TS, value: 1 }), [['', AT, 1]]],
    [
      cbor({ ts: TS, flow: 1, on: true }),
      [
        ['flow', AT, 1],
        ['on', AT, 'true'],
      ],
    ],
    [cbor([1, 2]), [...one(1), ...one(2)]],
    [cbor('größer'), one('größer')],
    [cbor('open'), one('open')],
    ['bad', one('ad')],
    ['8A', one(-66)],
    ['BAD', ['value_binary']],
    // None of them.
    ['', 'payload_empty'],
    [bytes(0xff, 0xfe), 'payload_unreadable'],
    [bytes(0xc1), 'payload_unreadable'],
    [bytes(0x22, 0xff, 0x22), 'payload_unreadable'],
    [bytes(0, 1, 2, 3), 'payload_unreadable'],
    [Buffer.concat([pack(1000), pack(1000)]), 'payload_unreadable'],
  ])('%s', (payload, told) => {
    expect(decode(payload)).toEqual(told);
  });
});

describe('what a payload is', () => {
  const asLine = [['m/f', NOW_US, 1]];

  it.each<[string, string | Uint8Array, Omit<Payload, 'payload'>, unknown]>([
    [
      'is said by its content type',
      'm f=1',
      { contentType: 'application/json' },
      'payload_not_json',
    ],
    ['in capitals', 'm f=1', { contentType: 'Application/JSON' }, 'payload_not_json'],
    [
      'with parameters',
      'm f=1',
      { contentType: 'application/json; charset=utf-8' },
      'payload_not_json',
    ],
    ['with a suffix', 'm f=1', { contentType: 'application/senml+json' }, 'payload_not_json'],
    [
      'before the rule',
      'm f=1',
      { contentType: 'application/json', format: 'line' },
      'payload_not_json',
    ],
    ['MessagePack', cbor(21.5), { contentType: 'application/msgpack' }, 'payload_unreadable'],
    ['MessagePack with x-', '7', { contentType: 'application/x-msgpack' }, [['', NOW_US, 55]]],
    ['MessagePack with vnd.', '7', { contentType: 'application/vnd.msgpack' }, [['', NOW_US, 55]]],
    ['CBOR', 'dopen', { contentType: 'application/cbor' }, [['', NOW_US, 'open']]],
    [
      'CSV',
      '1,2\n3,4',
      { contentType: 'text/csv; header=present' },
      [
        ['1', NOW_US, 3],
        ['2', NOW_US, 4],
      ],
    ],
    ['the rule says it otherwise', 'dopen', { format: 'cbor' }, [['', NOW_US, 'open']]],
    [
      'under an unknown type',
      'm f=1',
      { contentType: 'application/octet-stream', format: 'line' },
      asLine,
    ],
    ['of text, as Telegraf sends', 'm f=1', { contentType: 'text/plain; charset=utf-8' }, asLine],
    ['of text that is JSON', '7', { contentType: 'text/plain' }, [['', NOW_US, 7]]],
    [
      'of a form, as curl says',
      'm f=1',
      { contentType: 'application/x-www-form-urlencoded' },
      asLine,
    ],
    ['of an empty type', 'm f=1', { contentType: '' }, asLine],
    ['inside gzip', gzipSync('7'), { contentType: 'application/json' }, [['', NOW_US, 7]]],
    ['inside gzip that says so', gzipSync('m f=1'), { contentType: 'application/gzip' }, asLine],
    ['inside gzip inside gzip', gzipSync(gzipSync('7')), {}, 'payload_unreadable'],
    ['inside gzip that is empty', gzipSync(''), {}, 'payload_empty'],
  ])('%s', (_what, payload, how, told) => {
    expect(decode(payload, how)).toEqual(told);
  });
});

it('takes no more than a million readings in a message', () => {
  const count = 1_000_001;
  for (const payload of [
    `[${'1,'.repeat(count - 1)}1]`,
    Buffer.concat([Buffer.of(0xdd, 0, 0x0f, 0x42, 0x41), Buffer.alloc(count)]),
    `{"ts":[],"a":[${'1,'.repeat(count - 1)}1]}`,
  ]) {
    expect(decode(payload)).toBe('too_many_readings');
  }
});

it('reads local times in the zone of the topic', () => {
  const decodeOne = createPayloadDecoder();
  const inZone = (payload: string, timeZone?: string) =>
    tell((bytes, context, sink) => decodeOne({ payload: bytes }, context, sink), payload, {
      ...(timeZone === undefined ? {} : { timeZone }),
    });
  const local = '{"ts":"2025-07-01T12:00:00","v":1}';
  expect(inZone(local, 'Europe/Oslo')).toEqual([['', Date.UTC(2025, 6, 1, 10) * 1000, 1]]);
  expect(inZone(local, 'Nowhere/Else')).toEqual(['time_invalid']);
  expect(inZone(local)).toEqual(['time_invalid']);
});
