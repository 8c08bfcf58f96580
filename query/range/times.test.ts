import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTimeUs, TIME_BYTES_MAX, timeWriter } from './times.ts';

const NOW = Date.UTC(2026, 5, 1) * 1_000;
const utc = (...parts: Parameters<typeof Date.UTC>) => Date.UTC(...parts) * 1_000;

/** A time as Date writes it, with what Date has not. */
function isoText(us: number): string {
  const ms = Math.floor(us / 1_000);
  const rest = us - ms * 1_000;
  const text = new Date(ms).toISOString();
  if (rest !== 0) return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text;
}

function written(us: number, write = timeWriter()): string {
  const bytes = Buffer.alloc(TIME_BYTES_MAX);
  const end = write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, us);
  return bytes.toString('latin1', 0, end);
}

describe('a time', () => {
  it.each<[text: string, us: number]>([
    ['2026-01-31T12:00:00Z', utc(2026, 0, 31, 12)],
    ['2026-01-31t12:00:00.123456z', utc(2026, 0, 31, 12) + 123_456],
    ['2026-01-31T12:00:00.123456789Z', utc(2026, 0, 31, 12) + 123_456],
    ['2026-01-31T12:00:00+02:00', utc(2026, 0, 31, 10)],
    ['2026-01-31T12:00:00 02:00', utc(2026, 0, 31, 10)],
    ['2026-01-31T12:00:00-05:30', utc(2026, 0, 31, 17, 30)],
    ['2016-12-31T23:59:60Z', utc(2017, 0, 1)],
    ['2024-02-29T00:00:00Z', utc(2024, 1, 29)],
    ['0', 0],
    ['1700000000', 1_700_000_000e6],
    ['1700000000.5', 1_700_000_000.5e6],
    ['-1.25', -1_250_000],
    ['now', NOW],
    ['now-6h', NOW - 6 * 3_600e6],
    ['now-1d12h', NOW - 36 * 3_600e6],
    ['now-1d-12h', NOW - 36 * 3_600e6],
    ['now+250ms', NOW + 250_000],
    ['now 1w', NOW + 7 * 86_400e6],
  ])('reads %s', (text, us) => {
    expect(parseTimeUs(text, NOW)).toBe(us);
  });

  it.each([
    '',
    'yesterday',
    '2026-01-31',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:00:00',
    '2026-01-31T12:00:00+24:00',
    '1e9',
    'Infinity',
    'now-6y',
    'now-',
    '999999999999',
  ])('is not %j', (text) => {
    expect(parseTimeUs(text, NOW)).toBeUndefined();
  });

  it('is written so that it is read back to the microsecond', () => {
    const us = fc.integer({ min: utc(1971, 0, 1), max: utc(2200, 0, 1) });
    fc.assert(
      fc.property(us, (time) => {
        expect(parseTimeUs(written(time), 0)).toBe(time);
      }),
    );
  });

  it('is written with as many decimals as it takes, in any order and any year', () => {
    const us = fc.oneof(
      fc.integer({ min: utc(1700, 0, 1), max: utc(2250, 0, 1) }),
      fc.integer({ min: -1e5, max: 1e5 }).map((seconds) => seconds * 1e6),
      fc.integer({ min: -1e8, max: 1e8 }).map((ms) => ms * 1e3),
    );
    fc.assert(
      fc.property(fc.array(us, { minLength: 1 }), (times) => {
        const write = timeWriter();
        expect(times.map((time) => written(time, write))).toEqual(times.map(isoText));
      }),
    );
  });

  it('never is anything but a number or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const us = parseTimeUs(text, NOW);
        expect(us === undefined || Number.isFinite(us)).toBe(true);
      }),
    );
  });
});
