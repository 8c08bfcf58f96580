// Times as devices write them: RFC 3339 text, or a number whose magnitude tells its unit.

/** 1990-01-01: below it lie clocks that were never set. */
const FLOOR_US = Date.UTC(1990, 0, 1) * 1000;
const AHEAD_MAX_US = 86_400_000_000;

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,18}))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;
const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

/** A time in µs since 1970 from a number of s, ms, µs or ns; the bounds are those of InfluxDB 3. */
function fromNumber(value: number): number {
  const size = Math.abs(value);
  if (size < 5e9) return Math.round(value * 1e6);
  if (size < 5e12) return Math.round(value * 1e3);
  if (size < 5e15) return Math.round(value);
  return Math.round(value / 1e3);
}

function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** A time in µs since 1970 from RFC 3339 text (clause 5.6), NaN where it is none. A fraction is rounded to the µs. */
function fromText(text: string): number {
  const parts = RFC3339.exec(text);
  if (parts === null) return NUMBER.test(text) ? fromNumber(Number(text)) : Number.NaN;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // A second of 60 is a leap second: it is the next minute's first.
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return Number.NaN;
  if (day < 1 || day > daysInMonth(year, month)) return Number.NaN;
  const offsetHour = Number(parts[9] ?? 0);
  const offsetMinute = Number(parts[10] ?? 0);
  if (offsetHour > 23 || offsetMinute > 59) return Number.NaN;
  const offsetMs = (offsetHour * 60 + offsetMinute) * (parts[8] === '-' ? -60_000 : 60_000);
  const wholeMs = Date.UTC(year, month - 1, day, hour, minute, second) - offsetMs;
  const fraction = parts[7] === undefined ? 0 : Math.round(Number(`0.${parts[7]}`) * 1e6);
  return wholeMs * 1000 + fraction;
}

/** Reads a time; NaN where `value` is none. */
export function parseTimeUs(value: unknown): number {
  if (typeof value === 'number') return fromNumber(value);
  if (typeof value === 'string') return fromText(value);
  return Number.NaN;
}

/** Whether a reading of that time may be kept: neither before 1990 nor more than a day ahead. */
export function isTimeInRange(timeUs: number, receivedUs: number): boolean {
  return timeUs >= FLOOR_US && timeUs <= receivedUs + AHEAD_MAX_US;
}

/** Whether a text is a number as JSON, CSV or a device would write it. */
export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}
