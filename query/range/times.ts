// Times as clients write them and as CSV shows them. Inside they are µs since 1970 UTC.
import { MS_BY_UNIT } from '../../lib/duration.ts';
import { write2Digits, write4Digits } from '../../lib/number-text.ts';

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

/** Bytes that one time takes at most: `+275760-09-13T00:00:00.000000Z`, and some to spare. */
export const TIME_BYTES_MAX = 40;

const DAY_US = 86_400e6;
const [COLON, POINT, ZED] = [0x3a, 0x2e, 0x5a];

/**
 * Makes a writer of µs as RFC 3339 in UTC, with as many decimals as it takes, a millisecond's or a microsecond's. It gives
 * where the time ends. Made for many times of which most are of the day of the one before.
 */
export function timeWriter(): (view: DataView, at: number, us: number) => number {
  let day = Number.NaN;
  let date = new Uint8Array();
  return (view, at, us) => {
    const itsDay = Math.floor(us / DAY_US);
    if (itsDay !== day) {
      day = itsDay;
      // Without what follows the T: years before 0 and after 9999 have more digits.
      date = Buffer.from(new Date(day * 86_400_000).toISOString().slice(0, -13));
    }
    for (let i = 0; i < date.length; i++) view.setUint8(at + i, date[i]!);
    return writeTimeOfDay(view, at + date.length, us - day * DAY_US);
  };
}

function writeTimeOfDay(view: DataView, at: number, us: number): number {
  const seconds = Math.floor(us / 1e6) | 0;
  const fraction = (us - seconds * 1e6) | 0;
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  write2Digits(view, at, hours);
  view.setUint8(at + 2, COLON);
  write2Digits(view, at + 3, minutes - hours * 60);
  view.setUint8(at + 5, COLON);
  write2Digits(view, at + 6, seconds - minutes * 60);
  return writeDecimals(view, at + 8, fraction);
}

function writeDecimals(view: DataView, at: number, us: number): number {
  let end = at;
  if (us !== 0) {
    const ms = (us / 1_000) | 0;
    const rest = us - ms * 1_000;
    // Four digits at a time, of which the first is 0 and gives way to what stands before it.
    write4Digits(view, at + 3, rest);
    write4Digits(view, at, ms);
    view.setUint8(at, POINT);
    end = rest === 0 ? at + 4 : at + 7;
  }
  view.setUint8(end, ZED);
  return end + 1;
}
