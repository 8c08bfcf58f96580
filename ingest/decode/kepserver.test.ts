import { describe, expect, it } from 'vitest';
import { CONTEXT, tell } from '../../test/payloads/decoding.ts';
import { decodeJson } from './json.ts';

const NOW_US = CONTEXT.defaultTimeUs;
const TS = Date.UTC(2026, 0, 1);
const AT = TS * 1000;
const decode = (payload: unknown) => tell(decodeJson, JSON.stringify(payload));

describe('items of KEPServer', () => {
  it.each<[string, unknown, unknown]>([
    [
      'are sub-channels by id, each with its time',
      {
        timestamp: TS + 5,
        values: [
          { id: 'Channel1.Device1.Tag1', v: 42, q: true, t: TS },
          { id: 'Channel1.Device1.Tag2', v: false, q: true, t: TS + 1 },
        ],
      },
      [
        ['Channel1.Device1.Tag1', AT, 42],
        ['Channel1.Device1.Tag2', AT + 1000, 'false'],
      ],
    ],
    ['take the time above them', { timestamp: TS, values: [{ id: 'a', v: 1 }] }, [['a', AT, 1]]],
    ['take the time of receipt', { values: [{ id: 'a', v: 1 }] }, [['a', NOW_US, 1]]],
    ['that are bad', { timestamp: TS, values: [{ id: 'a', v: 1, q: false }] }, [['a', AT, 1, 1]]],
    [
      'with qualities of OPC',
      {
        timestamp: TS,
        values: [192, 219, 220, 0, 24, 64, '192', 'x'].map((q) => ({ id: 'a', v: 1, q })),
      },
      [
        ['a', AT, 1],
        ['a', AT, 1],
        ['a', AT, 1, 220],
        ['a', AT, 1, 1],
        ['a', AT, 1, 24],
        ['a', AT, 1, 64],
        ['a', AT, 1],
        'quality_invalid',
      ],
    ],
    [
      'without an id',
      { timestamp: TS, values: [{ v: 1 }, { id: '', v: 2 }] },
      ['key_empty', 'key_empty'],
    ],
    ['with a number for an id', { timestamp: TS, values: [{ id: 7, v: 1 }] }, [['7', AT, 1]]],
    ['without a value', { timestamp: TS, values: [{ id: 'a', v: null }] }, ['ignored']],
    ['with a bad time', { timestamp: TS, values: [{ id: 'a', v: 1, t: 'x' }] }, ['time_invalid']],
    ['with a list for a value', { timestamp: TS, values: [{ id: 'a', v: [1] }] }, ['value_nested']],
    [
      'with more to say',
      { timestamp: TS, values: [{ id: 'a', v: 1, unit: 'bar' }], gateway: 'g1' },
      [
        ['a', AT, 1],
        ['a/unit', AT, 'bar'],
        ['gateway', AT, 'g1'],
      ],
    ],
    ['of another asset', { asset: 'rig-8', values: [{ id: 'a', v: 1 }] }, ['payload_names_other']],
    ['of which there are none', { timestamp: TS, values: [] }, 'no_reading'],
    ['that are no objects', { timestamp: TS, values: [1, 2] }, ['value_nested']],
  ])('%s', (_what, payload, told) => {
    expect(decode(payload)).toEqual(told);
  });
});
