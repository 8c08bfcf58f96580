import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NUMBER_BYTES_MAX, numberText, writeNumber, writeThousandths } from './number-text.ts';

type Write = typeof writeNumber;

/** What is written in the middle of other bytes: those before it, and those behind its room, stay as they are. */
function written(write: Write, x: number): string {
  const bytes = Buffer.alloc(NUMBER_BYTES_MAX + 2, '#');
  const end = write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 1, x);
  expect(bytes.toString('latin1', 0, 1) + bytes.toString('latin1', NUMBER_BYTES_MAX + 1)).toBe(
    '##',
  );
  return bytes.toString('latin1', 1, end);
}

/** As JSON has it, but for what JSON has not. */
function expected(x: number): string {
  if (Number.isNaN(x)) return 'null';
  if (Object.is(x, -0)) return '-0';
  return Number.isFinite(x) ? JSON.stringify(x) : String(x);
}

const double = new Float64Array(1);
const words = new BigInt64Array(double.buffer);

/** The double some units in the last place away. */
function beside(x: number, units: number): number {
  double[0] = x;
  words[0] = words[0]! + BigInt(units);
  return double[0]!;
}

const decimal = fc
  .tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 24 }))
  .map(([digits, scale]) => Number(`${digits}e-${scale}`));
const short = fc
  .tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: 0, max: 9 }))
  .map(([digits, scale]) => digits / 10 ** scale);
const nearPowers = fc
  .tuple(
    fc.constantFrom(2, 10),
    fc.integer({ min: -330, max: 330 }),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([base, exponent, units]) => beside(base ** exponent, units));
const dyadic = fc
  .tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 60 }))
  .map(([n, exponent]) => n / 2 ** exponent);
const single = fc.float({ noNaN: true });
const sensible = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe('a number as text', () => {
  it.each([
    ...[0, -0, 1, -1, 9, 10, 99, 100, -2147483648, 2147483647, 2147483648, 4294967296, 1e9],
    ...[999999999, 1e8, 99999999, 1e15, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 1e16, 1e20],
    ...[1e21, 123456789012345680000, 1e22, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308],
    ...[1e-7, 1e-6, 9.999999e-7, 0.000001, 0.0000011, 0.0001, 0.00012207031250000003, 0.001, 0.1],
    ...[0.30000000000000004, 1 / 3, 2 / 3, 0.5, 0.25, 1.5, 100.25, 999999999.999999, 1e9 + 0.1],
    // Ties between two decimals of 16 digits, where half a unit in the last place reaches both.
    ...[562949953421312.25, 562949953421312.75, 562949953421313.25, 4503599627370495.5],
    ...[Math.PI, -Math.E, 9.999999999999998, 99999.99999999999, 0.09999999999999999],
    ...[Number.NaN, Infinity, -Infinity],
  ])('of %d', (x) => {
    expect(written(writeNumber, x)).toBe(expected(x));
    expect(numberText(x)).toBe(expected(x));
  });

  it.each([
    ['any double', fc.double()],
    ['doubles of some size', sensible],
    ['doubles of single precision', single],
    ['decimals of up to 16 digits', decimal],
    ['decimals as sensors send them', short],
    ['what lies beside powers of 2 and 10', nearPowers],
    ['binary fractions', dyadic],
    ['integers', fc.maxSafeInteger()],
  ])('of %s is what JSON has', (_, numbers) => {
    fc.assert(
      fc.property(numbers, (x) => {
        expect(written(writeNumber, x)).toBe(expected(x));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('thousandths as text', () => {
  it.each([
    ...[
      0, -0, 1, 10, 100, 999, 1_000, 1_001, -1, -999, -1_000, -1_001, 1.7e15, 1_700_000_000_000_001,
    ],
    ...[
      1_700_000_000_000_010, 1_700_000_000_000_100, -62_135_596_800_000_000,
      253_402_300_799_000_000,
    ],
    ...[2 ** 42 * 1_000, 2 ** 42 * 1_000 - 1, 1_700_000_000_000_000.5, 0.5, Number.NaN, Infinity],
  ])('of %d', (n) => {
    expect(written(writeThousandths, n)).toBe(expected(n / 1_000));
  });

  it.each([
    ['µs of this age', fc.integer({ min: -(2 ** 42) * 1_000, max: 2 ** 42 * 1_000 })],
    ['any integer', fc.maxSafeInteger()],
    ['any double', fc.double()],
  ])('of %s are what JSON has', (_, numbers) => {
    fc.assert(
      fc.property(numbers, (n) => {
        expect(written(writeThousandths, n)).toBe(expected(n / 1_000));
      }),
      { numRuns: 2_000 },
    );
  });
});
