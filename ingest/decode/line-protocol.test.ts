import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, createRecordingSink, type Told, tell } from '../../test/payloads/decoding.ts';
import { createLineProtocolDecoder } from './line-protocol.ts';
import { createTextCache } from './text-cache.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;
const NS = `${TS}000000`;

const decodeLines = createLineProtocolDecoder(createTextCache());
const decode = (payload: string | Uint8Array) => tell(decodeLines, payload);

describe('a line', () => {
  const is = (value: unknown) => [['m/f', AT, value]];

  it.each<[string, unknown]>([
    // Values.
    [`m f=1 ${NS}`, is(1)],
    [`m f=-1.5 ${NS}`, is(-1.5)],
    [`m f=1e3 ${NS}`, is(1000)],
    [`m f=-1.234456e+78 ${NS}`, is(-1.234456e78)],
    [`m f=+5 ${NS}`, is(5)],
    [`m f=.5 ${NS}`, is(0.5)],
    [`m f=5. ${NS}`, is(5)],
    [`m f=007 ${NS}`, is(7)],
    [`m f=3.141592653589793238 ${NS}`, is(Math.PI)],
    [`m f=12i ${NS}`, is(12)],
    [`m f=-12i ${NS}`, is(-12)],
    [`m f=12u ${NS}`, is(12)],
    [`m f=9223372036854775807i ${NS}`, is(2 ** 63)],
    [`m f=18446744073709551615u ${NS}`, is(2 ** 64)],
    [`m f=t ${NS}`, is('true')],
    [`m f=TRUE ${NS}`, is('true')],
    [`m f=False ${NS}`, is('false')],
    [`m f="on" ${NS}`, is('on')],
    [`m f="" ${NS}`, is('')],
    [`m f="12" ${NS}`, is(12)],
    [`m f="a \\"b\\" \\\\ c\\d, e=f" ${NS}`, is('a "b" \\ c\\d, e=f')],
    [`m f="two\nlines" ${NS}`, is('two\nlines')],
    [`m f="ends in \\\\" ${NS}`, is('ends in \\')],
    [`m f="größe" ${NS}`, is('größe')],
    [`m f=NaN ${NS}`, ['ignored']],
    [`m f=-Inf ${NS}`, ['value_not_finite']],
    [`m f=1e999 ${NS}`, ['value_not_finite']],
    [`m f="\u0000" ${NS}`, ['value_text_invalid']],
    // Fields.
    [
      `m a=1,b="x",c=t ${NS}`,
      [
        ['m/a', AT, 1],
        ['m/b', AT, 'x'],
        ['m/c', AT, 'true'],
      ],
    ],
    [
      'm a=1,b=NaN,c=-Inf,d=2',
      [['m/a', NOW_US, 1], 'ignored', 'value_not_finite', ['m/d', NOW_US, 2]],
    ],
    // Times.
    ['m f=1', [['m/f', NOW_US, 1]]],
    ['m f=1 ', [['m/f', NOW_US, 1]]],
    ['m f=1 1767225600', is(1)],
    ['m f=1 1767225600000', is(1)],
    ['m f=1 1767225600000000', is(1)],
    ['m f=1 1767225600123456499', [['m/f', AT + 123_456, 1]]],
    ['m f=1 1767225600123456500', [['m/f', AT + 123_457, 1]]],
    ['m f=1 1767225600123457499', [['m/f', AT + 123_457, 1]]],
    ['m f=1 0', ['time_out_of_range']],
    [`m f=1 -${NS}`, ['time_out_of_range']],
    ['m f=1 99999999999999999999999999', ['time_out_of_range']],
    // Escapes.
    [`a\\ b\\,c f=1 ${NS}`, [['a b,c/f', AT, 1]]],
    [`a=b f=1 ${NS}`, [['a=b/f', AT, 1]]],
    [`m f\\ g\\,h\\=i=1 ${NS}`, [['m/f g,h=i', AT, 1]]],
    [`a\\b\\\\c f=1 ${NS}`, [['a\\b\\\\c/f', AT, 1]]],
    [`m "f"=1 ${NS}`, [['m/"f"', AT, 1]]],
    // Tags.
    [`m,a=b f=1 ${NS}`, [{ a: 'b' }, ...is(1)]],
    [`m,a=b,c=d f=1 ${NS}`, [{ a: 'b', c: 'd' }, ...is(1)]],
    [`m,a\\ b=c\\,d\\=e f=1 ${NS}`, [{ 'a b': 'c,d=e' }, ...is(1)]],
    [`m,p=C:\\\\x\\y f=1 ${NS}`, [{ p: 'C:\\\\x\\y' }, ...is(1)]],
    [`m,p=x\\, f=1 ${NS}`, [{ p: 'x,' }, ...is(1)]],
    [`m,__proto__=b f=1 ${NS}`, [JSON.parse('{"__proto__":"b"}'), ...is(1)]],
    [`m,größe=ü f=1 ${NS}`, [{ größe: 'ü' }, ...is(1)]],
    // Whom it names.
    [`m,tenant=acme,asset=rig-7,a=b f=1 ${NS}`, [{ a: 'b' }, ...is(1)]],
    [`m,tenant=other f=1 ${NS}`, ['payload_names_other']],
    [`m,asset=rig-8 f=1 ${NS}`, ['payload_names_other']],
    [`m f=1,asset="rig-8" ${NS}`, ['payload_names_other']],
    [`m asset="rig-7" ${NS}`, [['m/asset', AT, 'rig-7']]],
  ])('%s', (line, told) => {
    expect(decode(line)).toEqual(told);
  });

  it('whose tags name only its tenant and asset has no labels', () => {
    expect(decode(`m,tenant=acme f=1 ${NS}`)).toEqual([{}, ['m/f', AT, 1]]);
  });
});

describe('a line that cannot be read', () => {
  it.each([
    ['m'],
    ['m '],
    ['m f'],
    ['m f='],
    ['m =1'],
    ['m f=abc'],
    ['m f=1x'],
    ['m f=1.5i'],
    ['m f=-1u'],
    ['m f=0x10'],
    ['m f=1,'],
    ['m f=1,,g=2'],
    ['m f="open'],
    ['m f="a"b'],
    ['m f=1 soon'],
    ['m f=1 12.5'],
    ['m f=1 12 13'],
    [',a=b f=1'],
    ['m, f=1'],
    ['m,a f=1'],
    ['m,a= f=1'],
    ['m,=b f=1'],
    ['m,a=b, f=1'],
    ['m,a=b=c f=1'],
    ['m,a=b,a=c f=1'],
    ['m,a=b'],
    ['{"a":1}'],
  ])('%s is a fault of its own, by its number', (line) => {
    const sink = createRecordingSink();
    const payload = Buffer.from(`# one\nm f=1 ${NS}\n${line}\nm f=2 ${NS}\n`);
    expect(decodeLines(payload, CONTEXT, sink)).toBeUndefined();
    expect(sink.told).toEqual([['m/f', AT, 1], 'line_invalid', ['m/f', AT, 2]]);
    expect(sink.reasons[0]).toMatch(/^Line 3: /);
  });
});

describe('lines', () => {
  it.each<[string, string | Uint8Array, unknown]>([
    [
      'end in any way',
      `m f=1 ${NS}\r\nm f=2 ${NS}\n\n \t\r\nm f=3 ${NS} \r\nm f=4\r\n`,
      [
        ['m/f', AT, 1],
        ['m/f', AT, 2],
        ['m/f', AT, 3],
        ['m/f', NOW_US, 4],
      ],
    ],
    ['may be comments', `#m f=1\n  # x\nm f=2 ${NS}\n#`, [['m/f', AT, 2]]],
    [
      'say labels only where they change',
      `m,a=b f=1 ${NS}\nm,a=b f=2 ${NS}\nn,a=b f=3 ${NS}\nm f=4 ${NS}\nm,a=c f=5 ${NS}\n`,
      [
        { a: 'b' },
        ['m/f', AT, 1],
        ['m/f', AT, 2],
        ['n/f', AT, 3],
        {},
        ['m/f', AT, 4],
        { a: 'c' },
        ['m/f', AT, 5],
      ],
    ],
    [
      'are not taken for another that begins alike',
      `m,a=b f=1 ${NS}\nm,a=bc f=2 ${NS}\nm,a=b\\ c f=3 ${NS}\nm,a=b f=4 ${NS}`,
      [
        { a: 'b' },
        ['m/f', AT, 1],
        { a: 'bc' },
        ['m/f', AT, 2],
        { a: 'b c' },
        ['m/f', AT, 3],
        { a: 'b' },
        ['m/f', AT, 4],
      ],
    ],
    [
      'of another asset are refused each',
      `m,asset=x f=1\nm,asset=x f=2\nm f=3 ${NS}`,
      ['payload_names_other', 'payload_names_other', ['m/f', AT, 3]],
    ],
    ['of comments alone', '# a\n# b', 'no_reading'],
    ['of blanks alone', ' \n\r\n', 'no_reading'],
    ['of nothing', '', 'payload_empty'],
    ['of no UTF-8', Buffer.from([0x6d, 0x20, 0xff]), 'payload_not_utf8'],
  ])('%s', (_what, payload, told) => {
    expect(decode(payload)).toEqual(told);
  });

  it('are counted through texts of several lines', () => {
    const sink = createRecordingSink();
    decodeLines(Buffer.from('m f="a\nb\nc"\nbroken\nm f=1\nbroken'), CONTEXT, sink);
    expect(sink.reasons.map((reason) => reason.slice(0, 7))).toEqual(['Line 4:', 'Line 6:']);
  });

  it('may be of more series than are remembered', () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `n${index}`);
    const lines = names.map((name) => `m${name},tag=${name} f${name}=1 ${NS}`).join('\n');
    const told = names.flatMap((name) => [{ tag: name }, [`m${name}/f${name}`, AT, 1]]);
    expect(decode(lines)).toEqual(told);
    expect(decode(lines)).toEqual(told);
  });

  it('that are all broken are read in linear time', () => {
    const started = performance.now();
    decode('m f="\n'.repeat(20_000));
    decode('x\n'.repeat(100_000));
    decode(`m,${'a\\ '.repeat(100_000)} f=1`);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe('whatever lines a generator writes', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => !/[\n\r\t\\]/.test(text) && !/^[#\s]/.test(text));
  const escaped = (text: string) => text.replace(/[,= ]/g, '\\$&');
  const tagName = name.filter((text) => text !== 'tenant' && text !== 'asset');
  const value = fc.oneof(
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((number) => ({ text: String(number), told: number })),
    fc.maxSafeInteger().map((number) => ({ text: `${number}i`, told: number })),
    fc.boolean().map((truth) => ({ text: String(truth), told: String(truth) })),
    fc
      .string({ maxLength: 20 })
      .map((text) => ({ text: `"${`${text}~`.replace(/["\\]/g, '\\$&')}"`, told: `${text}~` })),
  );
  const line = fc.record({
    measurement: name,
    tags: fc.dictionary(tagName, name, { maxKeys: 3, noNullPrototype: true }),
    fields: fc.array(fc.tuple(tagName, value), { minLength: 1, maxLength: 4 }),
    us: fc.option(fc.integer({ min: AT - 1e15, max: AT })),
  });

  it('is read as it was meant', () => {
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        (lines, end) => {
          const payload = lines.map(({ measurement, tags, fields, us }) => {
            const series = [
              escaped(measurement),
              ...Object.entries(tags).map(([key, text]) => `${escaped(key)}=${escaped(text)}`),
            ];
            const values = fields.map(([key, { text }]) => `${escaped(key)}=${text}`);
            return `${series.join(',')} ${values.join(',')}${us === null ? '' : ` ${us}000`}`;
          });
          const told = decode(payload.join(end));
          const readings = (told as Told[]).filter((one) => Array.isArray(one));
          expect(readings).toEqual(
            lines.flatMap(({ measurement, fields, us }) =>
              fields.map(([key, { told }]) => [
                `${measurement}/${key}`,
                us ?? NOW_US,
                told === 0 ? expect.toSatisfy((zero) => zero === 0) : told,
              ]),
            ),
          );
          let labels: object = {};
          const seen = (told as Told[]).flatMap((one) => {
            if (!Array.isArray(one)) labels = one as object;
            return Array.isArray(one) ? [labels] : [];
          });
          expect(seen).toEqual(lines.flatMap(({ tags, fields }) => fields.map(() => tags)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never throws, whatever bytes come', () => {
    const piece = fc.constantFrom(
      'm',
      'f',
      '=',
      ',',
      ' ',
      '\\',
      '"',
      '\n',
      '\r',
      '1',
      'i',
      NS,
      '#',
      't',
      'ü',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.array(piece).map((pieces) => Buffer.from(pieces.join(''))),
        ),
        (payload) => {
          const told = decode(payload);
          expect(typeof told === 'string' || told.length > 0).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
