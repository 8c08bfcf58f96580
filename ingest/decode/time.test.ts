import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isNumberText, isTimeInRange, parseTimeUs, wholeTimeUs } from './time.ts';
import type { Zone } from './zone.ts';

const NOON = Date.UTC(2024, 1, 29, 12) * 1000;

it.each([
  ['seconds', 1_709_208_000, NOON],
  ['seconds with a fraction', 1_709_208_000.123456, NOON + 123_456],
  ['milliseconds', 1_709_208_000_000, NOON],
  ['milliseconds with a fraction', 1_709_208_000_000.25, NOON + 250],
  ['microseconds', 1_709_208_000_000_007, NOON + 7],
  ['nanoseconds, rounded', 1_709_208_000_000_007_700, NOON + 8],
  ['the largest seconds', 4_999_999_999, 4_999_999_999e6],
  ['the smallest milliseconds', 5e9, 5e12],
  ['the smallest microseconds', 5e12, 5e12],
  ['the smallest nanoseconds', 5e15, 5e12],
  ['numbers as text', '1709208000', NOON],
  ['RFC 3339', '2024-02-29T12:00:00Z', NOON],
  ['RFC 3339 with small letters', '2024-02-29t12:00:00z', NOON],
  ['RFC 3339 with a space', '2024-02-29 12:00:00Z', NOON],
  ['RFC 3339 with an offset', '2024-02-29T13:30:00+01:30', NOON],
  ['RFC 3339 with a negative offset', '2024-02-29T04:00:00-08:00', NOON],
  ['an offset without a colon', '2024-02-29T13:00:00+0100', NOON],
  ['RFC 3339 with microseconds', '2024-02-29T12:00:00.123456Z', NOON + 123_456],
  ['RFC 3339 with nanoseconds, rounded', '2024-02-29T12:00:00.123456789Z', NOON + 123_457],
  ['a fraction that rounds up to a second', '2024-02-29T11:59:59.9999999Z', NOON],
  ['a leap second', '2024-02-29T11:59:60Z', NOON],
])('reads %s', (_what, given, timeUs) => {
  expect(parseTimeUs(given)).toBe(timeUs);
});

it.each([
  ['2024-02-30T12:00:00Z'],
  ['2023-02-29T12:00:00Z'],
  ['2024-13-01T12:00:00Z'],
  ['2024-00-01T12:00:00Z'],
  ['2024-02-29T24:00:00Z'],
  ['2024-02-29T12:60:00Z'],
  ['2024-02-29T12:00:61Z'],
  ['2024-02-29T12:00:00'],
  ['2024-02-29'],
  ['2024-02-29T12:00:00+24:00'],
  ['yesterday'],
  [''],
  [true],
  [{}],
  [[1]],
])('takes %j for no time', (given) => {
  expect(parseTimeUs(given)).toBeNaN();
});

it('reads whatever Date writes', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
      (date) => {
        expect(parseTimeUs(date.toISOString())).toBe(date.getTime() * 1000);
        expect(parseTimeUs(date.getTime())).toBe(date.getTime() * 1000);
        expect(parseTimeUs(date.getTime() / 1000)).toBe(date.getTime() * 1000);
      },
    ),
  );
});

it.each([
  ['1989-12-31T23:59:59.999999Z', false],
  ['1990-01-01T00:00:00Z', true],
  ['2024-03-01T12:00:00Z', true],
  ['2024-03-01T12:00:00.000001Z', false],
  ['1970-01-01T00:00:00Z', false],
  ['2200-01-01T00:00:00Z', false],
])('at noon of 2024-02-29, %s may be kept: %s', (text, kept) => {
  expect(isTimeInRange(parseTimeUs(text), NOON)).toBe(kept);
});

it('reads whole numbers exactly, however many digits they have', () => {
  const read = (digits: string) => wholeTimeUs(Buffer.from(`<${digits}>`), 1, digits.length + 1);
  expect(read('1709208000000000499')).toBe(NOON);
  expect(read('1709208000000000500')).toBe(NOON + 1);
  expect(read('4999999999999999')).toBe(4_999_999_999_999_999);
  expect(read('5000000000000499')).toBe(5_000_000_000_000);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 9_007_199_254_740_991_999n }), (value) => {
      const us =
        value < 5_000_000_000_000_000n
          ? parseTimeUs(Number(value))
          : Number((value + 500n) / 1000n);
      expect(read(String(value))).toBe(us);
    }),
  );
});

it.each([
  ['2024-02-29T12:00:00', NOON],
  ['2024-02-29 12:00:00.5', NOON + 500_000],
  ['2024-02-29T12:00:00Z', NOON],
  ['2024-02-29T13:00:00+01:00', NOON],
  ['2024-02-29', Number.NaN],
  ['2024-02-29T12:00:00.', Number.NaN],
  ['2024-02-29T12:00:00+', Number.NaN],
  ['2024-02-30T12:00:00', Number.NaN],
  ['1709208000', NOON],
])('with a zone, %s is a local time only where it says no other', (text, timeUs) => {
  const zone: Zone = { toUtcMs: (localMs) => localMs };
  expect(parseTimeUs(text, zone)).toBe(timeUs);
});

it('tells long texts from numbers in time that grows with their length', () => {
  const startedMs = performance.now();
  for (const text of [`${'9'.repeat(1e6)}x`, `1${' '.repeat(1e6)}x`, `${' '.repeat(1e6)}x`]) {
    expect(isNumberText(text)).toBe(false);
  }
  expect(isNumberText('9'.repeat(1e6))).toBe(true);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});
