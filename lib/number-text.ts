// Numbers as the text that JSON has for them, written straight as bytes. String(x) takes 0.5 µs for a number that it has
// not seen lately, most of it for the string; this takes a fifth, and writes the same digits: the fewest that are read
// back as the same double, and of those the nearest. `bench micro/encode` holds whole answers against JSON.stringify.
//
// The way for a fraction: x·10ᵏ with 17 digits before the point is had exactly, as a sum of two doubles (T. J. Dekker,
// "A Floating-Point Technique for Extending the Available Precision", 1971); every decimal within half a unit in the last
// place of x is read back as x (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990), so the last digits
// may go while it stays within. Ties, powers of two and what is very small or large are left to String(x).

/** Bytes that one number takes at most: `-1.2345678901234567e-308`, and some to spare. */
export const NUMBER_BYTES_MAX = 32;

const ZERO = 0x30;
const POINT = 0x2e;
const MINUS = 0x2d;

/** Four digits of each number below 10⁴, to be stored at once: pairs of digits, a byte at a time, took six times as long. */
const QUADS = Uint32Array.from({ length: 10_000 }, (_, n) =>
  Buffer.from(String(n).padStart(4, '0')).readUInt32LE(),
);

/** A number as text: JSON has a negative zero and no NaN. Infinity is none of JSON's, and written as it is. */
export function numberText(x: number): string {
  if (Number.isNaN(x)) return 'null';
  return Object.is(x, -0) ? '-0' : String(x);
}

/**
 * Writes what `numberText` gives at `at`, and gives where it ends. There must be room for NUMBER_BYTES_MAX, of which those
 * behind the end have no meaning then.
 */
export function writeNumber(view: DataView, at: number, x: number): number {
  if (x === (x | 0)) {
    if (x > 0) return writeInteger(view, at, x);
    if (x === 0 && 1 / x > 0) {
      view.setUint8(at, ZERO);
      return at + 1;
    }
  }
  if (x >= FRACTION_MIN && x < INTEGER_MAX) return writePositive(view, at, x);
  if (x <= -FRACTION_MIN && x > -INTEGER_MAX) {
    view.setUint8(at, MINUS);
    return writePositive(view, at + 1, -x);
  }
  return writeAscii(view, at, numberText(x));
}

/** From here String(x) has exponents, and there is one double to an integer up to here. */
const FRACTION_MIN = 1e-6;
const INTEGER_MAX = 2 ** 53;

/** Writes a text of ASCII. */
function writeAscii(view: DataView, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
  return at + text.length;
}

/** Writes an integer from 0 to 2⁵³. */
function writeInteger(view: DataView, at: number, x: number): number {
  if (x < 1e8) return writeSmall(view, at, x | 0);
  const high = Math.floor(x / 1e8);
  const end = writeSmall(view, at, high | 0);
  write8Digits(view, end, (x - high * 1e8) | 0);
  return end + 8;
}

/** Writes an integer from 0 to 10⁸. */
function writeSmall(view: DataView, at: number, x: number): number {
  if (x < 10_000) return writeSmallest(view, at, x);
  const high = (x / 10_000) | 0;
  const end = writeSmallest(view, at, high);
  write4Digits(view, end, x - high * 10_000);
  return end + 4;
}

/** Writes an integer below 10⁴: its four digits, shifted by the zeros in front. */
function writeSmallest(view: DataView, at: number, x: number): number {
  const length = x < 100 ? (x < 10 ? 1 : 2) : x < 1_000 ? 3 : 4;
  view.setUint32(at, QUADS[x]! >>> (32 - 8 * length), true);
  return at + length;
}

/** Writes an integer below 100 with a zero in front. */
export function write2Digits(view: DataView, at: number, x: number): void {
  view.setUint16(at, QUADS[x]! >>> 16, true);
}

/** Writes an integer below 10⁴ with zeros in front. */
export function write4Digits(view: DataView, at: number, x: number): void {
  view.setUint32(at, QUADS[x]!, true);
}

/** Writes an integer below 10⁸ with zeros in front. */
function write8Digits(view: DataView, at: number, x: number): void {
  const high = (x / 10_000) | 0;
  write4Digits(view, at, high);
  write4Digits(view, at + 4, x - high * 10_000);
}

/**
 * Sensors mostly send few decimals: m / 10⁶ with m below 10¹⁵. Division rounds to the nearest double, so such a decimal
 * is read back as x, and of 15 digits or fewer no two are.
 */
const FEW_DECIMALS = 6;
const FEW = 10 ** FEW_DECIMALS;
const FEW_MAX = 1e9;

function writePositive(view: DataView, at: number, x: number): number {
  if (x === Math.floor(x)) return writeInteger(view, at, x);
  if (x < FEW_MAX) {
    const scaled = Math.floor(x * FEW + 0.5);
    if (scaled / FEW === x) {
      const whole = Math.floor(scaled / FEW);
      const point = writeInteger(view, at, whole);
      // With two zeros behind.
      write8Digits(view, point + 1, ((scaled - whole * FEW) * 100) | 0);
      view.setUint8(point, POINT);
      return withoutZeros(view, point + 1 + FEW_DECIMALS);
    }
  }
  return writeFraction(view, at, x);
}

/** Where a fraction ends without the zeros before `end`. */
function withoutZeros(view: DataView, end: number): number {
  let last = end;
  while (view.getUint8(last - 1) === ZERO) last -= 1;
  return last;
}

/** x in [2⁻¹³, 2⁵³) is scaled to SCALED_DIGITS digits by 10ᵏ with k ≤ 20: then all that is computed below is exact. */
const EXPONENT_MIN = -13;
const EXPONENT_MAX = 52;
const SCALED_DIGITS = 17;
const BIAS = 1023;

const SPLITTER = 2 ** 27 + 1;
const POWERS = Float64Array.from({ length: 21 }, (_, k) => Number(`1e${k}`));
const POWERS_HIGH = POWERS.map((power) => power * SPLITTER - (power * SPLITTER - power));
const POWERS_LOW = POWERS.map((power, k) => power - POWERS_HIGH[k]!);

/** For each binary exponent: digits before the point of 2ᵉ (0.5 has none, 0.05 has -1), and 10 to that. */
const BINADES = Array.from({ length: EXPONENT_MAX - EXPONENT_MIN + 1 }, (_, i) => {
  const exponent = (2 ** (EXPONENT_MIN + i)).toExponential();
  return Number(exponent.slice(exponent.indexOf('e') + 1)) + 1;
});
const DIGITS_BEFORE = Int8Array.from(BINADES);
const NEXT_POWER = Float64Array.from(BINADES, (digits) => Number(`1e${digits}`));
const HALF_UNITS = Float64Array.from(BINADES, (_, i) => 2 ** (EXPONENT_MIN + i - 53));

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** Writes a positive number that is no integer, of any number of digits. */
function writeFraction(view: DataView, at: number, x: number): number {
  double[0] = x;
  const binade = (words[1]! >>> 20) - BIAS - EXPONENT_MIN;
  const isPowerOf2 = words[0] === 0 && (words[1]! & 0xfffff) === 0;
  if (binade < 0 || isPowerOf2) return writeAscii(view, at, String(x));

  const before = DIGITS_BEFORE[binade]! + (x >= NEXT_POWER[binade]! ? 1 : 0);
  const k = SCALED_DIGITS - before;
  const power = POWERS[k]!;
  const product = x * power;
  const split = SPLITTER * x;
  const high = split - (split - x);
  const low = x - high;
  const [powerHigh, powerLow] = [POWERS_HIGH[k]!, POWERS_LOW[k]!];
  const error = low * powerLow - (product - high * powerHigh - low * powerHigh - high * powerLow);

  const errorFloor = Math.floor(error);
  let first = Math.floor(product / 1e8);
  // An integer to the compiler too: the remainder of doubles takes longer than all of this.
  let last = (product - first * 1e8 + errorFloor) | 0;
  if (last < 0) {
    first -= 1;
    last += 1e8;
  }
  const added = lessDigits(last, error - errorFloor, HALF_UNITS[binade]! * power);
  last += added;
  if (last >= 1e8) {
    first += 1;
    last -= 1e8;
  }
  // A carry into another digit is of a number beside a power of ten.
  if (added === UNSURE || first >= 1e9) return writeAscii(view, at, String(x));
  return writeScaled(view, at, first, last, before);
}

/** Says that a decimal lies just between x and its neighbour. */
const UNSURE = 1_000;

/**
 * What has to be added to the integer below a scaled number, whose last digits are `last` and whose fraction is
 * `fraction`, so that it ends in as many zeros as may be while it differs by less than `reach`, which is between 0.55 and
 * 11.2. Of two that are equally near it is the one that ends in an even digit.
 */
function lessDigits(last: number, fraction: number, reach: number): number {
  const overHundred = last % 100;
  const aboveHundred = overHundred + fraction;
  if (aboveHundred <= reach) return aboveHundred === reach ? UNSURE : -overHundred;
  if (100 - aboveHundred <= reach) {
    return 100 - aboveHundred === reach ? UNSURE : 100 - overHundred;
  }
  const overTen = overHundred % 10;
  const aboveTen = overTen + fraction;
  const down = aboveTen < 5 || (aboveTen === 5 && (overHundred - overTen) % 20 === 0);
  const toTen = down ? aboveTen : 10 - aboveTen;
  if (toTen <= reach) {
    if (toTen === reach) return UNSURE;
    return down ? -overTen : 10 - overTen;
  }
  return fraction < 0.5 || (fraction === 0.5 && last % 2 === 0) ? 0 : 1;
}

/** Writes 17 digits, of which `before` stand before the point, without the zeros at their end. */
function writeScaled(
  view: DataView,
  at: number,
  first: number,
  last: number,
  before: number,
): number {
  let start = at + 1;
  if (before <= 0) {
    start = writeAscii(view, at, '0.');
    for (let zeros = before; zeros < 0; zeros++) view.setUint8(start++, ZERO);
  }
  const leading = (first / 1e8) | 0;
  view.setUint8(start, ZERO + leading);
  write8Digits(view, start + 1, first - leading * 1e8);
  write8Digits(view, start + 9, last);
  for (let i = 0; i < before; i++) view.setUint8(at + i, view.getUint8(at + i + 1));
  if (before > 0) view.setUint8(at + before, POINT);
  return withoutZeros(view, start + SCALED_DIGITS);
}

/** Doubles lie closer than 0.001 up to here, so that thousandths are told from one another. */
const THOUSANDTHS_MAX = 2 ** 42 * 1_000;

/** Writes the text of `n / 1_000`, as `writeNumber` would: quicker where n is an integer, as µs written as ms are. */
export function writeThousandths(view: DataView, at: number, n: number): number {
  if (n === Math.floor(n)) {
    if (n > 0 && n < THOUSANDTHS_MAX) return writeDecimal(view, at, n);
    if (n < 0 && n > -THOUSANDTHS_MAX) {
      view.setUint8(at, MINUS);
      return writeDecimal(view, at + 1, -n);
    }
  }
  return writeNumber(view, at, n / 1_000);
}

function writeDecimal(view: DataView, at: number, n: number): number {
  const whole = Math.floor(n / 1_000);
  const rest = (n - whole * 1_000) | 0;
  const end = writeInteger(view, at, whole);
  if (rest === 0) return end;
  write4Digits(view, end, rest);
  // In the place of the first of four digits, which is 0.
  view.setUint8(end, POINT);
  return withoutZeros(view, end + 4);
}
