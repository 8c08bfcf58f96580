// Times as devices write them: RFC 3339 text, or a number whose magnitude tells its unit.
import type { Zone } from './zone.ts';

/** 1990-01-01: below it lie clocks that were never set. */
const FLOOR_US = Date.UTC(1990, 0, 1) * 1000;
const AHEAD_MAX_US = 86_400_000_000;

/** No two parts of it can take the same characters: a text of 60,000 digits and a letter took minutes when they could. */
const NUMBER = /^\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

/** A time in µs since 1970 from a number of s, ms, µs or ns; the bounds are those of InfluxDB 3. */
function fromNumber(value: number): number {
  const size = Math.abs(value);
  if (size < 5e9) return Math.round(value * 1e6);
  if (size < 5e12) return Math.round(value * 1e3);
  if (size < 5e15) return Math.round(value);
  return Math.round(value / 1e3);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The number that `count` digits at `at` write, NaN where one of them is none. */
function digitsAt(text: string, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

function charIs(text: string, at: number, allowed: string): boolean {
  return at < text.length && allowed.includes(text[at] as string);
}

/** The date and time of day with which a text begins, in ms as if it were UTC's; NaN where there is none. */
function wholeMs(text: string): number {
  const year = digitsAt(text, 0, 4);
  const month = digitsAt(text, 5, 2);
  const day = digitsAt(text, 8, 2);
  const hour = digitsAt(text, 11, 2);
  const minute = digitsAt(text, 14, 2);
  const second = digitsAt(text, 17, 2);
  const isWritten =
    charIs(text, 4, '-') &&
    charIs(text, 7, '-') &&
    charIs(text, 10, 'Tt ') &&
    charIs(text, 13, ':') &&
    charIs(text, 16, ':');
  // A second of 60 is a leap second: it is the next minute's first. Comparisons with NaN are false.
  const isInRange =
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysInMonth(year, month) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 60;
  if (!isWritten || !isInRange) return Number.NaN;
  // Date.UTC takes years below 100 for those of the last century; they are out of range all the same.
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** A time in µs since 1970 from RFC 3339 text (clause 5.6), NaN where it is none. A fraction is rounded to the µs. */
function fromRfc3339(text: string, zone: Zone | undefined): number {
  const localMs = wholeMs(text);
  if (Number.isNaN(localMs)) return Number.NaN;
  let at = 19;
  let fractionUs = 0;
  if (charIs(text, at, '.,')) {
    const first = ++at;
    let digit = digitsAt(text, at, 1);
    if (Number.isNaN(digit)) return Number.NaN;
    for (; !Number.isNaN(digit); digit = digitsAt(text, ++at, 1)) {
      const place = at - first;
      if (place < 6) fractionUs += digit * 10 ** (5 - place);
      else if (place === 6 && digit >= 5) fractionUs++;
    }
  }
  if (at === text.length) {
    return zone === undefined ? Number.NaN : zone.toUtcMs(localMs) * 1000 + fractionUs;
  }
  if (charIs(text, at, 'Zz')) {
    return at + 1 === text.length ? localMs * 1000 + fractionUs : Number.NaN;
  }
  const colon = charIs(text, at + 3, ':') ? 1 : 0;
  const hours = digitsAt(text, at + 1, 2);
  const minutes = digitsAt(text, at + 3 + colon, 2);
  const isOffset = charIs(text, at, '+-') && hours <= 23 && minutes <= 59;
  if (!isOffset || text.length !== at + 5 + colon) return Number.NaN;
  const offsetMs = (hours * 60 + minutes) * (text[at] === '-' ? -60_000 : 60_000);
  return (localMs - offsetMs) * 1000 + fractionUs;
}

/** Reads a time; NaN where `value` is none. Text without an offset is a local time of `zone`, and none without that. */
export function parseTimeUs(value: unknown, zone?: Zone): number {
  if (typeof value === 'number') return fromNumber(value);
  if (typeof value !== 'string') return Number.NaN;
  const timeUs = fromRfc3339(value, zone);
  if (!Number.isNaN(timeUs)) return timeUs;
  return NUMBER.test(value) ? fromNumber(Number(value)) : Number.NaN;
}

/**
 * As `parseTimeUs`, for the whole number that stands in digits from `start` to `end`, of which a double may not hold
 * all: of nanoseconds it takes as many as make the µs, and rounds.
 */
export function wholeTimeUs(bytes: Uint8Array, start: number, end: number): number {
  const digits = end - start;
  // 16 digits are µs below 5e15 and ns above, what is longer is ns.
  const isNs = digits > 16 || (digits === 16 && (bytes[start] as number) >= 0x35);
  const taken = isNs ? end - 3 : end;
  let value = 0;
  for (let at = start; at < taken; at++) value = value * 10 + ((bytes[at] as number) - 0x30);
  if (isNs) return value + ((bytes[taken] as number) >= 0x35 ? 1 : 0);
  return digits === 16 ? value : fromNumber(value);
}

/** Whether a reading of that time may be kept: neither before 1990 nor more than a day ahead. */
export function isTimeInRange(timeUs: number, receivedUs: number): boolean {
  return timeUs >= FLOOR_US && timeUs <= receivedUs + AHEAD_MAX_US;
}

/** Whether a text is a number as JSON, CSV or a device would write it. */
export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}
