import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { decodeJson } from './json.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;
const decode = (payload: unknown) => tell(decodeJson, JSON.stringify(payload));

describe('columns', () => {
  it.each<[string, unknown, unknown]>([
    [
      'are sub-channels',
      { ts: [TS, TS + 1], flow: [1, 2], state: ['on', false] },
      [
        ['flow', AT, 1],
        ['flow', AT + 1000, 2],
        ['state', AT, 'on'],
        ['state', AT + 1000, 'false'],
      ],
    ],
    [
      'by any name of the time',
      { time: ['2026-01-01T00:00:00Z', TS / 1000 + 1], flow: ['1', '2'] },
      [
        ['flow', AT, 1],
        ['flow', AT + 1e6, 2],
      ],
    ],
    [
      'of values alone are the channel itself',
      { ts: [TS, TS + 1], value: [1, 2] },
      [
        ['', AT, 1],
        ['', AT + 1000, 2],
      ],
    ],
    [
      'of values with qualities',
      { t: [TS, TS + 1], v: [1, 2], q: [0, 7] },
      [
        ['', AT, 1],
        ['', AT + 1000, 2, 7],
      ],
    ],
    [
      'of values with one quality',
      { t: [TS, TS + 1], v: [1, 2], q: false },
      [
        ['', AT, 1, 1],
        ['', AT + 1000, 2, 1],
      ],
    ],
    ['with nulls', { ts: [TS, TS + 1], a: [null, 2] }, ['ignored', ['a', AT + 1000, 2]]],
    ['with no time in a row', { ts: [null], a: [1] }, [['a', NOW_US, 1]]],
    [
      'with a bad time in a row',
      { ts: ['soon', 0, TS], a: [1, 2, 3] },
      ['time_invalid', 'time_out_of_range', ['a', AT, 3]],
    ],
    [
      'of another length than the times, beside one that fits',
      { ts: [TS], short: [], long: [1, 2], a: [3] },
      ['column_length', 'column_length', ['a', AT, 3]],
    ],
    [
      'with what is the same in each row',
      { ts: [TS, TS + 1], a: [1, 2], mode: 'auto' },
      [
        ['a', AT, 1],
        ['a', AT + 1000, 2],
        ['mode', AT, 'auto'],
        ['mode', AT + 1000, 'auto'],
      ],
    ],
    [
      'under `values`',
      { ts: [TS], values: { a: [1], b: ['x'] }, q: [3] },
      [
        ['a', AT, 1, 3],
        ['b', AT, 'x', 3],
      ],
    ],
    ['of lists', { ts: [TS], a: [[1]] }, ['value_nested']],
    ['under an empty key', { ts: [TS], '': [1] }, ['key_empty']],
    ['that name another asset', { ts: [TS], a: [1], asset: 'rig-8' }, ['payload_names_other']],
    [
      'that name another asset in a row',
      { ts: [TS, TS], a: [1, 2], asset: ['rig-8', 'rig-7'] },
      ['payload_names_other', ['a', AT, 2], 'payload_names_other', ['asset', AT, 'rig-7']],
    ],
    ['of nothing', { ts: [], a: [] }, 'no_reading'],
    ['without times are lists under a key', { a: [1, 2] }, ['value_nested']],
    [
      'in a list of such objects',
      [
        { ts: [TS], a: [1] },
        { ts: [TS], b: [2] },
      ],
      [
        ['a', AT, 1],
        ['b', AT, 2],
      ],
    ],
  ])('%s', (_what, payload, told) => {
    expect(decode(payload)).toEqual(told);
  });

  it('say the same as the rows that they were made of', () => {
    const row = fc.record({
      ts: fc.integer({ min: TS - 1e9, max: TS }),
      a: fc.oneof(fc.integer(), fc.constant(null), fc.constant('x')),
      b: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), (rows) => {
        const columns = {
          ts: rows.map(({ ts }) => ts),
          a: rows.map(({ a }) => a),
          b: rows.map(({ b }) => b),
        };
        const sorted = (told: unknown) =>
          (told as unknown[]).map((one) => JSON.stringify(one)).sort();
        expect(sorted(decode(columns))).toEqual(sorted(decode(rows)));
      }),
    );
  });
});
