// JSON payloads, told apart by looking: a scalar; {ts, value}; {ts, values: {…}}; a flat object, each key a
// sub-channel; an array of these. Bare NaN and Infinity are read too, as Python writes them.
import { isUtf8 } from 'node:buffer';
import { QUALITY_KEYS, TIME_KEYS, VALUE_KEYS } from './keys.ts';
import type { DecodeContext, Decoder, Fault, ReadingSink } from './sink.ts';
import { isNumberText, isTimeInRange, parseTimeUs } from './time.ts';

/** More readings in one message than this are a mistake of the device, or of its units. */
const READINGS_PER_MESSAGE_MAX = 1_000_000;
const TEXT_LENGTH_MAX = 65_536;
const QUALITY_MIN = -32_768;
const QUALITY_MAX = 32_767;

const POINT_KEYS: ReadonlySet<string> = new Set([...TIME_KEYS, ...VALUE_KEYS, ...QUALITY_KEYS]);

const BARE_WORDS = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g;
/** What a PostgreSQL text cannot hold, or not hold as it was sent: NUL, and surrogates without their other half. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const UNSTORABLE = /[\u0000\p{Cs}]/u;

const NOT_UTF8: Fault = { code: 'payload_not_utf8', reason: 'The payload is not UTF-8.' };
const EMPTY: Fault = { code: 'payload_empty', reason: 'The payload is empty.' };
const NO_READING: Fault = { code: 'no_reading', reason: 'The payload holds no reading.' };
const TOO_MANY: Fault = {
  code: 'too_many_readings',
  reason: `The payload is a list of more than ${READINGS_PER_MESSAGE_MAX} readings.`,
};
const TIME_INVALID: Fault = {
  code: 'time_invalid',
  reason: 'The time is neither RFC 3339 with an offset nor a number.',
};
const TIME_OUT_OF_RANGE: Fault = {
  code: 'time_out_of_range',
  reason: 'The time is before 1990-01-01 or more than a day ahead.',
};
const NOT_FINITE: Fault = {
  code: 'value_not_finite',
  reason: 'The value is infinite, or too large for a 64-bit float.',
};
const NESTED: Fault = {
  code: 'value_nested',
  reason: 'A value is an object or a list; only flat payloads are read.',
};
const TEXT_UNSTORABLE: Fault = {
  code: 'value_text_invalid',
  reason: 'The text holds a NUL or half a surrogate pair.',
};
const TEXT_TOO_LONG: Fault = {
  code: 'value_too_long',
  reason: `The text is longer than ${TEXT_LENGTH_MAX} characters.`,
};
const KEY_EMPTY: Fault = { code: 'key_empty', reason: 'A key of the object is empty.' };
const QUALITY_INVALID: Fault = {
  code: 'quality_invalid',
  reason: `The quality is not an integer from ${QUALITY_MIN} to ${QUALITY_MAX}.`,
};

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a plain decimal number of at most 15 digits straight from bytes; NaN where it is anything else. Digits and
 * power of ten are both exact in a double there, so their quotient is rounded right (Clinger 1990).
 */
function plainNumber(bytes: Uint8Array): number {
  let at = bytes[0] === 0x2d ? 1 : 0;
  const first = at;
  if (bytes.length - at > 16 || bytes.length === at) return Number.NaN;
  let digits = 0;
  let point = -1;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x30 && byte <= 0x39) digits = digits * 10 + (byte - 0x30);
    else if (byte === 0x2e && point === -1 && at > first && at < bytes.length - 1) point = at;
    else return Number.NaN;
  }
  const count = bytes.length - first - (point === -1 ? 0 : 1);
  // JSON has no leading zeros: 007 is left to the parser, which refuses it.
  const leadingZero = bytes[first] === 0x30 && (point === -1 ? count > 1 : point > first + 1);
  if (count > 15 || leadingZero) return Number.NaN;
  const size = point === -1 ? digits : digits / 10 ** (bytes.length - 1 - point);
  return first === 1 ? -size : size;
}

/** Parses JSON in which NaN and Infinity may stand bare: NaN is like null, Infinity overflows as 1e999 does. */
function parseLenient(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!text.includes('NaN') && !text.includes('Infinity')) throw cause;
    return JSON.parse(
      text.replace(BARE_WORDS, (word) => {
        if (word === 'NaN') return 'null';
        return word.startsWith('"') ? word : word.replace('Infinity', '1e999');
      }),
    );
  }
}

/** Gives one value to the sink, of whatever type it is. `timeFault` is what is wrong with its time, if something is. */
function pushValue(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  timeFault: Fault | undefined,
  value: unknown,
  quality: number,
): void {
  if (value === null || value === 'NaN') sink.ignored();
  else if (timeFault !== undefined) sink.fault(timeFault);
  else if (Number.isNaN(quality)) sink.fault(QUALITY_INVALID);
  else if (typeof value === 'number') pushNumber(sink, key, timeUs, value, quality);
  else if (typeof value === 'string') {
    if (isNumberText(value)) pushNumber(sink, key, timeUs, Number(value), quality);
    else pushText(sink, key, timeUs, value, quality);
  } else if (typeof value === 'boolean') sink.state(key, timeUs, String(value), quality);
  else sink.fault(NESTED);
}

/** As `pushValue`, for a value that stands under a key of its own. */
function pushKey(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  timeFault: Fault | undefined,
  value: unknown,
  quality: number,
): void {
  pushValue(sink, key, timeUs, key === '' ? KEY_EMPTY : timeFault, value, quality);
}

function pushNumber(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  value: number,
  quality: number,
): void {
  if (Number.isFinite(value)) sink.number(key, timeUs, value, quality);
  else sink.fault(NOT_FINITE);
}

function pushText(
  sink: ReadingSink,
  key: string,
  timeUs: number,
  value: string,
  quality: number,
): void {
  if (value === 'Infinity' || value === '-Infinity') sink.fault(NOT_FINITE);
  else if (value.length > TEXT_LENGTH_MAX) sink.fault(TEXT_TOO_LONG);
  else if (UNSTORABLE.test(value)) sink.fault(TEXT_UNSTORABLE);
  else sink.state(key, timeUs, value, quality);
}

/** The quality code under a key of an object; NaN where it cannot be stored as one. None is good. */
function parseQuality(object: JsonObject, key: string | undefined): number {
  const value = key === undefined ? undefined : object[key];
  if (value === undefined || value === null) return 0;
  const code = typeof value === 'string' && isNumberText(value) ? Number(value) : value;
  const fits =
    typeof code === 'number' &&
    Number.isInteger(code) &&
    code >= QUALITY_MIN &&
    code <= QUALITY_MAX;
  return fits ? code : Number.NaN;
}

function firstPresent<K extends string>(object: JsonObject, keys: readonly K[]): K | undefined {
  for (const key of keys) if (Object.hasOwn(object, key)) return key;
  return undefined;
}

/** The time of an object, with what is wrong with it. */
function timeOf(
  given: unknown,
  { defaultTimeUs, receivedUs }: DecodeContext,
): { timeUs: number; fault: Fault | undefined } {
  if (given === undefined || given === null) return { timeUs: defaultTimeUs, fault: undefined };
  const timeUs = parseTimeUs(given);
  if (Number.isNaN(timeUs)) return { timeUs, fault: TIME_INVALID };
  return { timeUs, fault: isTimeInRange(timeUs, receivedUs) ? undefined : TIME_OUT_OF_RANGE };
}

/** Reads an object: a point, {ts, values}, or a flat object. Gives back how many readings it held or tried to. */
function pushObject(sink: ReadingSink, object: JsonObject, context: DecodeContext): number {
  const keys = Object.keys(object);
  const timeKey = firstPresent(object, TIME_KEYS);
  const { timeUs, fault } = timeOf(timeKey === undefined ? undefined : object[timeKey], context);
  const valueKey = firstPresent(object, VALUE_KEYS);
  if (valueKey !== undefined && keys.every((key) => POINT_KEYS.has(key))) {
    pushValue(
      sink,
      '',
      timeUs,
      fault,
      object[valueKey],
      parseQuality(object, firstPresent(object, QUALITY_KEYS)),
    );
    return 1;
  }
  const nested = object.values;
  if (isObject(nested)) {
    const qualityKey = firstPresent(object, QUALITY_KEYS);
    const quality = parseQuality(object, qualityKey);
    const names = Object.keys(nested);
    for (const name of names) pushKey(sink, name, timeUs, fault, nested[name], quality);
    // What stands beside them is a sub-channel too.
    const beside = keys.filter((key) => key !== 'values' && key !== timeKey && key !== qualityKey);
    for (const key of beside) pushKey(sink, key, timeUs, fault, object[key], 0);
    return names.length + beside.length;
  }
  for (const key of keys) if (key !== timeKey) pushKey(sink, key, timeUs, fault, object[key], 0);
  return timeKey === undefined ? keys.length : keys.length - 1;
}

/** Reads one element: the payload itself, or a member of the list that it is. */
function pushElement(sink: ReadingSink, element: unknown, context: DecodeContext): number {
  if (isObject(element)) return pushObject(sink, element, context);
  pushValue(sink, '', context.defaultTimeUs, undefined, element, 0);
  return 1;
}

/** Decodes a JSON payload. */
export const decodeJson: Decoder = (payload, context, sink) => {
  if (payload.length === 0) return EMPTY;
  const plain = plainNumber(payload);
  if (!Number.isNaN(plain)) {
    sink.number('', context.defaultTimeUs, plain, 0);
    return undefined;
  }
  if (!isUtf8(payload)) return NOT_UTF8;
  let parsed: unknown;
  try {
    const bytes = Buffer.isBuffer(payload)
      ? payload
      : Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const text = bytes.toString('utf8');
    parsed = parseLenient(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return { code: 'payload_not_json', reason: 'The payload is not JSON.' };
  }
  if (!Array.isArray(parsed)) {
    return pushElement(sink, parsed, context) === 0 ? NO_READING : undefined;
  }
  if (parsed.length > READINGS_PER_MESSAGE_MAX) return TOO_MANY;
  let readings = 0;
  for (const element of parsed) readings += pushElement(sink, element, context);
  return readings === 0 ? NO_READING : undefined;
};
