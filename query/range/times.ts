// Times as clients write them and as CSV shows them. Inside they are µs since 1970 UTC.
import { MS_BY_UNIT } from '../../lib/duration.ts';

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+\- ])(\d\d):(\d\d))$/;
const RELATIVE = /^now((?:[+-](?:\d{1,9}(?:ms|[smhdw]))+)*)$/;
const RELATIVE_PART = /([+-]?)(\d+)(ms|[smhdw])/g;
const UNIX_SECONDS = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/;

/** The years that RFC 3339 can write; what lies outside is a mistake. */
const EARLIEST_US = Date.UTC(1, 0, 1) * 1_000 - 1_899 * 365.2425 * 86_400e6;
const LATEST_US = Date.UTC(9999, 11, 31) * 1_000;

function microsecondsOf(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.padEnd(6, '0').slice(0, 6));
}

function parseRfc3339(text: string): number | undefined {
  const found = RFC_3339.exec(text);
  if (found === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1, 7)
    .map(Number);
  // A leap second is the first moment of the next minute.
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  if (day < 1 || midnight.getUTCDate() !== day) return undefined;
  const seconds = midnight.getTime() / 1_000 + hour * 3_600 + minute * 60 + second;
  if (found[8] !== undefined) return seconds * 1e6 + microsecondsOf(found[7]);
  const [offsetHours, offsetMinutes] = [Number(found[10]), Number(found[11])];
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  // A plus that nobody escaped arrives as a space.
  const sign = found[9] === '-' ? 1 : -1;
  const offset = sign * (offsetHours * 3_600 + offsetMinutes * 60);
  return (seconds + offset) * 1e6 + microsecondsOf(found[7]);
}

function parseRelative(text: string, nowUs: number): number | undefined {
  // "now 6h": again a plus that became a space.
  const shifts = RELATIVE.exec(text.replaceAll(' ', '+'))?.[1];
  if (shifts === undefined) return undefined;
  let us = nowUs;
  let direction = 1;
  for (const [, sign, amount, unit = ''] of shifts.matchAll(RELATIVE_PART)) {
    const ms = Number(amount) * (MS_BY_UNIT[unit] ?? Number.NaN);
    // 'now-1d12h': the sign holds until the next.
    if (sign !== '') direction = sign === '-' ? -1 : 1;
    us += direction * ms * 1_000;
  }
  return us;
}

function parseUnixSeconds(text: string): number | undefined {
  const found = UNIX_SECONDS.exec(text);
  if (found?.[1] === undefined) return undefined;
  const fraction = microsecondsOf(found[2]);
  return Number(found[1]) * 1e6 + (text.startsWith('-') ? -fraction : fraction);
}

/** Reads RFC 3339, Unix seconds, `now` or `now-6h`; µs, or undefined where it is none of these. */
export function parseTimeUs(text: string, nowUs: number): number | undefined {
  const us = parseRfc3339(text) ?? parseRelative(text, nowUs) ?? parseUnixSeconds(text);
  if (us === undefined || us < EARLIEST_US || us > LATEST_US) return undefined;
  return us;
}

/** Writes µs as RFC 3339 in UTC, with as many decimals as it takes. */
export function formatTime(us: number): string {
  const ms = Math.floor(us / 1_000);
  const rest = us - ms * 1_000;
  const text = new Date(ms).toISOString();
  if (rest !== 0) return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text;
}

const TWO_DIGITS = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));

/** As `formatTime`, for many times of which most are in the minute of the one before: a fifth of the time. */
export function timeWriter(): (us: number) => string {
  let minute = Number.NaN;
  let text = '';
  return (us) => {
    const m = Math.floor(us / 60e6);
    if (m !== minute) {
      minute = m;
      // Without the seconds and what follows: years before 0 and after 9999 have more digits.
      text = new Date(m * 60_000).toISOString().slice(0, -7);
    }
    const rest = us - m * 60e6;
    const second = Math.floor(rest / 1e6);
    const fraction = rest - second * 1e6;
    const seconds = `${text}${TWO_DIGITS[second]}`;
    if (fraction === 0) return `${seconds}Z`;
    if (fraction % 1_000 === 0) return `${seconds}.${String(fraction / 1_000).padStart(3, '0')}Z`;
    return `${seconds}.${String(fraction).padStart(6, '0')}Z`;
  };
}
