// One value of a payload, of whatever type it is: a number, a state, nothing, or a fault.
import {
  BINARY,
  KEY_EMPTY,
  NESTED,
  NOT_FINITE,
  QUALITY_INVALID,
  QUALITY_MAX,
  QUALITY_MIN,
  TEXT_LENGTH_MAX,
  TEXT_TOO_LONG,
  TEXT_UNSTORABLE,
  TIME_INVALID,
  TIME_OUT_OF_RANGE,
} from './faults.ts';
import type { Fault, ReadContext, ReadingSink } from './sink.ts';
import { isNumberText, isTimeInRange, parseTimeUs } from './time.ts';

/** What a PostgreSQL text cannot hold, or not hold as it was sent: NUL, and surrogates without their other half. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const UNSTORABLE = /[\u0000\p{Cs}]/u;

/** The quality of a reading whose source says no more than that it is bad. OPC reads 1 to 63 as bad, too. */
export const QUALITY_BAD = 1;

function pushNumber(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  value: number,
  quality: number,
): void {
  if (Number.isFinite(value)) sink.number(key, timeUs, value, quality);
  else if (Number.isNaN(value)) sink.ignored();
  else sink.fault(NOT_FINITE);
}

function pushText(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  value: string,
  quality: number,
): void {
  if (isNumberText(value)) pushNumber(sink, key, timeUs, Number(value), quality);
  else if (value === 'Infinity' || value === '-Infinity') sink.fault(NOT_FINITE);
  else if (value.length > TEXT_LENGTH_MAX) sink.fault(TEXT_TOO_LONG);
  else if (UNSTORABLE.test(value)) sink.fault(TEXT_UNSTORABLE);
  else sink.state(key, timeUs, value, quality);
}

/**
 * Gives one value to the sink. `timeFault` is what is wrong with its time, if something is; a quality of NaN is one
 * that cannot be stored.
 */
export function pushValue(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  timeFault: Fault | undefined,
  value: unknown,
  quality: number,
): void {
  if (value === null || value === undefined || value === 'NaN' || Number.isNaN(value)) {
    sink.ignored();
  } else if (timeFault !== undefined) sink.fault(timeFault);
  else if (Number.isNaN(quality)) sink.fault(QUALITY_INVALID);
  else if (typeof value === 'number') pushNumber(sink, key, timeUs, value, quality);
  else if (typeof value === 'string') pushText(sink, key, timeUs, value, quality);
  else if (typeof value === 'boolean') sink.state(key, timeUs, String(value), quality);
  else sink.fault(value instanceof Uint8Array ? BINARY : NESTED);
}

/** As `pushValue`, for a value that stands under a key of its own. */
export function pushKey(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  timeFault: Fault | undefined,
  value: unknown,
  quality: number,
): void {
  pushValue(sink, key, timeUs, key === '' ? KEY_EMPTY : timeFault, value, quality);
}

/** The time that a payload gives, or `otherwise` where it gives none; NaN where it is no time. */
export function timeOf(given: unknown, otherwise: number, { zone }: ReadContext): number {
  return given === undefined || given === null ? otherwise : parseTimeUs(given, zone);
}

/** What is wrong with a time, if something is. */
export function timeFault(timeUs: number, { receivedUs }: ReadContext): Fault | undefined {
  if (Number.isNaN(timeUs)) return TIME_INVALID;
  return isTimeInRange(timeUs, receivedUs) ? undefined : TIME_OUT_OF_RANGE;
}

/** The quality code that a payload gives: 0 is good, and what none means; NaN where it cannot be stored as one. */
export function qualityOf(given: unknown): number {
  if (given === undefined || given === null || given === true) return 0;
  if (given === false) return QUALITY_BAD;
  const code = typeof given === 'string' && isNumberText(given) ? Number(given) : given;
  const fits =
    typeof code === 'number' &&
    Number.isInteger(code) &&
    code >= QUALITY_MIN &&
    code <= QUALITY_MAX;
  // Adding 0 makes 0 of -0.
  return fits ? code + 0 : Number.NaN;
}
