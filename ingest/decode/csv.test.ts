import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, createRecordingSink, tell } from '../../test/payloads/decoding.ts';
import { decodeCsv, looksLikeCsv } from './csv.ts';
import { createZones } from './zone.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;
const decode = (payload: string | Uint8Array) => tell(decodeCsv, payload);

describe('CSV', () => {
  it.each<[string, string | Uint8Array, unknown]>([
    [
      'has a sub-channel in each column',
      `ts,flow,state\n${TS},1.5,on\n${TS + 1},2,off\n`,
      [
        ['flow', AT, 1.5],
        ['state', AT, 'on'],
        ['flow', AT + 1000, 2],
        ['state', AT + 1000, 'off'],
      ],
    ],
    [
      'ends lines in any way, and need not end the last',
      `ts,a\r\n${TS},1\r\n\r\n${TS},2`,
      [
        ['a', AT, 1],
        ['a', AT, 2],
      ],
    ],
    ['may begin with a byte order mark', `\ufeffts,a\n${TS},1`, [['a', AT, 1]]],
    ['has its time in any column', `a,Time\n1,2026-01-01T00:00:00Z`, [['a', AT, 1]]],
    ['has its time under any name', `TIMESTAMP,a\n${TS / 1000},1`, [['a', AT, 1]]],
    [
      'is a reading a row',
      `ts,value\n${TS},1\n${TS + 1},2`,
      [
        ['', AT, 1],
        ['', AT + 1000, 2],
      ],
    ],
    [
      'with a quality',
      `ts,Value,Quality\n${TS},1,7\n${TS},2,\n${TS},3,x`,
      [['', AT, 1, 7], ['', AT, 2], 'quality_invalid'],
    ],
    [
      'is a sub-channel a column where there are others',
      `ts,value,unit\n${TS},1,bar`,
      [
        ['value', AT, 1],
        ['unit', AT, 'bar'],
      ],
    ],
    [
      'has quotes',
      `ts,"a,b","c ""d"""\n${TS},"1","x\ny"`,
      [
        ['a,b', AT, 1],
        ['c "d"', AT, 'x\ny'],
      ],
    ],
    [
      'has empty cells',
      `ts,a,b\n${TS},,2\n,3, `,
      ['ignored', ['b', AT, 2], ['a', NOW_US, 3], 'ignored'],
    ],
    ['has NaN', `ts,a\n${TS},NaN`, ['ignored']],
    ['has booleans', `ts,a\n${TS},true`, [['a', AT, 'true']]],
    ['has infinity', `ts,a\n${TS},Infinity`, ['value_not_finite']],
    ['has blanks around cells', `ts , a\n ${TS} , 1 `, [['a', AT, 1]]],
    [
      'is separated by semicolons',
      `ts;a;b\n${TS};1,5;-2,5e3`,
      [
        ['a', AT, 1.5],
        ['b', AT, -2500],
      ],
    ],
    ['is separated by tabs', `ts\ta\n${TS}\t1.5`, [['a', AT, 1.5]]],
    ['is separated by what its header has most', `"a;b;c",ts\n1,${TS}`, [['a;b;c', AT, 1]]],
    ['keeps commas that are no decimal ones', `ts;a\n${TS};1,2,3`, [['a', AT, '1,2,3']]],
    [
      'needs no time in a single row',
      'a,b\n1,2',
      [
        ['a', NOW_US, 1],
        ['b', NOW_US, 2],
      ],
    ],
    ['needs no more than a column', 'value\n7', [['', NOW_US, 7]]],
    ['needs times in several rows', 'a\n1\n2', 'csv_invalid'],
    ['has no row', 'ts,a', 'no_reading'],
    ['has times alone', `ts\n${TS}`, 'no_reading'],
    ['has a bad time', 'ts,a,b\nsoon,1,', ['time_invalid', 'ignored']],
    ['has an old time', 'ts,a\n0,1', ['time_out_of_range']],
    [
      'has a column without a name',
      `ts,,a\n${TS},1,2\n${TS},,3`,
      ['key_empty', ['a', AT, 2], 'ignored', ['a', AT, 3]],
    ],
    ['has two columns of one name', `ts,a,a\n${TS},1,2`, 'csv_invalid'],
    ['has a quote that is not closed', `ts,a\n${TS},"1`, ['csv_invalid']],
    [
      'is of another asset in a row',
      `ts,asset,a\n${TS},rig-8,1\n${TS},rig-7,2`,
      ['payload_names_other', ['asset', AT, 'rig-7'], ['a', AT, 2]],
    ],
    ['is nothing', '', 'payload_empty'],
    ['is blank', '\n\n', 'csv_invalid'],
    ['is no UTF-8', Buffer.from([0x74, 0xff]), 'payload_not_utf8'],
  ])('%s', (_what, payload, told) => {
    expect(decode(payload)).toEqual(told);
  });

  it('has rows that are faults of their own, by their lines', () => {
    const sink = createRecordingSink();
    const rows = [`${TS},1,2`, `${TS},1`, `${TS},1,2,3`, `${TS},3,4`, `soon,5,6`];
    decodeCsv(Buffer.from(`ts,a,b\n${rows.join('\n')}\n`), CONTEXT, sink);
    expect(sink.told).toEqual([
      ['a', AT, 1],
      ['b', AT, 2],
      ['a', AT, 3],
      ['b', AT, 4],
      'time_invalid',
      'time_invalid',
      'csv_invalid',
      'csv_invalid',
    ]);
    expect(sink.reasons.join(' ')).toMatch(/Line 6: .* line 3 has 2 cells .* line 4 has 4 cells/);
  });

  it('has local times in the zone of the topic', () => {
    const zone = createZones().zone('Europe/Oslo');
    const payload =
      'time;a\n2025-07-01 12:00:00;1,5\n2025-12-01 12:00:00,25;2\n2025-10-26 02:30:00;3';
    expect(tell(decodeCsv, payload, zone === undefined ? {} : { zone })).toEqual([
      ['a', Date.UTC(2025, 6, 1, 10) * 1000, 1.5],
      ['a', Date.UTC(2025, 11, 1, 11) * 1000 + 250_000, 2],
      'time_invalid',
    ]);
  });

  it('is read as it was written', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => text.trim() === text && text !== '');
    const names = fc.uniqueArray(
      name.map((text) => `c${text}`),
      { minLength: 1, maxLength: 5 },
    );
    const cell = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string().map((text) => `s${text}`.trim()),
      fc.constant(null),
    );
    const table = names.chain((header) =>
      fc.record({
        header: fc.constant(header),
        delimiter: fc.constantFrom(',', ';', '\t'),
        rows: fc.array(fc.array(cell, { minLength: header.length, maxLength: header.length }), {
          minLength: 1,
          maxLength: 5,
        }),
      }),
    );
    const quoted = (value: unknown) =>
      value === null ? '' : `"${String(value).replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(table, ({ header, delimiter, rows }) => {
        const lines = [['ts', ...header], ...rows.map((cells, row) => [TS + row, ...cells])].map(
          (cells) => cells.map(quoted).join(delimiter),
        );
        expect(decode(lines.join('\n'))).toEqual(
          rows.flatMap((cells, row) =>
            cells.map((value, index) =>
              value === null
                ? 'ignored'
                : [
                    header[index],
                    AT + row * 1000,
                    value === 0 ? expect.toSatisfy((zero) => zero === 0) : value,
                  ],
            ),
          ),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, whatever comes', () => {
    const piece = fc.constantFrom(
      'ts',
      'a',
      ',',
      ';',
      '\t',
      '"',
      '\n',
      '\r\n',
      '1',
      String(TS),
      ' ',
      'ü',
      '\u0000',
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
          looksLikeCsv(Buffer.from(payload).toString('utf8'));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
