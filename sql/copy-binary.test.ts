import { describe, expect, it } from 'vitest';
import { encodeReadings, encodeStateReadings } from './copy-binary.ts';

const HEADER = '5047434f50590aff0d0a00' + '00000000' + '00000000';
const TRAILER = 'ffff';

function columns(timeUs: number, value: number, state?: string) {
  return {
    seriesIds: Int32Array.of(7),
    timesUs: Float64Array.of(timeUs),
    values: Float64Array.of(value),
    states: state === undefined ? [] : [state],
    qualities: Int16Array.of(-2),
  };
}

const ROW = Int32Array.of(0);
const SERIES_7 = '00000004' + '00000007';
const QUALITY_MINUS_2 = '00000002' + 'fffe';

describe('the binary COPY format', () => {
  it.each([
    ['the epoch of PostgreSQL', 946_684_800_000_000, '0000000000000000'],
    ['a microsecond later', 946_684_800_000_001, '0000000000000001'],
    ['a microsecond earlier', 946_684_799_999_999, 'ffffffffffffffff'],
    ['1970', 0, 'fffca2fec4c82000'],
    ['2100-01-01T00:00:00.123456Z', 4_102_444_800_123_456, '000b3625a1cdc240'],
  ])('writes %s as int8 µs since 2000', (_name, timeUs, hex) => {
    const text = encodeReadings(columns(timeUs, 1.5), ROW).toString('hex');
    expect(text).toBe(
      `${HEADER}0004${SERIES_7}00000008${hex}` +
        `000000083ff8000000000000${QUALITY_MINUS_2}${TRAILER}`,
    );
  });

  it.each([
    ['0', 0, '0000000000000000'],
    ['-0 as 0', -0, '0000000000000000'],
    ['the smallest number', Number.MIN_VALUE, '0000000000000001'],
    ['the largest number', Number.MAX_VALUE, '7fefffffffffffff'],
  ])('writes %s as float8', (_name, value, hex) => {
    const buffer = encodeReadings(columns(946_684_800_000_000, value), ROW);
    expect(buffer.subarray(-2 - 6 - 8, -2 - 6).toString('hex')).toBe(hex);
  });

  it.each([
    ['no text', '', '00000000'],
    ['ASCII', 'on', '00000002' + '6f6e'],
    ['UTF-8', 'µ€😀', '00000009' + 'c2b5e282acf09f9880'],
  ])('writes %s with its length in bytes', (_name, state, hex) => {
    const text = encodeStateReadings(columns(946_684_800_000_000, 0, state), ROW).toString('hex');
    expect(text).toBe(
      `${HEADER}0004${SERIES_7}00000008${'0'.repeat(16)}${hex}${QUALITY_MINUS_2}${TRAILER}`,
    );
  });

  it('takes the rows it is told, in that order', () => {
    const two = {
      seriesIds: Int32Array.of(1, 2, 3),
      timesUs: Float64Array.of(0, 0, 0),
      values: Float64Array.of(0, 0, 0),
      states: [],
      qualities: Int16Array.of(0, 0, 0),
    };
    const buffer = encodeReadings(two, Int32Array.of(2, 0));
    const ids = [0, 1].map((row) => buffer.readInt32BE(19 + row * 40 + 6));
    expect(ids).toEqual([3, 1]);
    expect(buffer.length).toBe(19 + 2 * 40 + 2);
  });
});
