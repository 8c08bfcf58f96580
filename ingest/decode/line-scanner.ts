// One line of line protocol, found byte by byte: measurement[,tag=value…] field=value[,field=value…] [time]
// https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
import { plainNumber } from './numbers.ts';
import { isNumberText, wholeTimeUs } from './time.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const MINUS = 0x2d;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const LETTER_I = 0x69;
const LETTER_U = 0x75;

const WORDS: ReadonlyMap<string, boolean | number> = new Map<string, boolean | number>([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
  ...['nan', 'NaN'].map((word) => [word, Number.NaN] as const),
  ...['inf', '+inf', 'Inf', '+Inf', 'Infinity'].map((word) => [word, Infinity] as const),
  ...['-inf', '-Inf', '-Infinity'].map((word) => [word, -Infinity] as const),
]);

/** What was found of a line; used again for the next. Places are indexes into the payload. */
export interface Line {
  start: number;
  measurementEnd: number;
  /** Of measurement and tags together. */
  seriesEnd: number;
  /** How many of the following are this line's. */
  fields: number;
  readonly keyStarts: number[];
  readonly keyEnds: number[];
  readonly values: (number | string | boolean)[];
  /** NaN where the line says none. */
  timeUs: number;
  /** What is wrong with the line, if something is. */
  error: string | undefined;
  /** Where the next line starts. */
  next: number;
}

/** Makes an empty line. */
export function createLine(): Line {
  return {
    start: 0,
    measurementEnd: 0,
    seriesEnd: 0,
    fields: 0,
    keyStarts: [],
    keyEnds: [],
    values: [],
    timeUs: Number.NaN,
    error: undefined,
    next: 0,
  };
}

/** The end of a name: the first comma, space, line break or, where `atEquals`, equals sign that is not escaped. */
function nameEnd(bytes: Buffer, start: number, atEquals: boolean): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte > EQUALS) {
      if (byte !== BACKSLASH) continue;
      const next = bytes[at + 1];
      if (next === COMMA || next === EQUALS || next === SPACE) at++;
    } else if (byte === COMMA || byte === SPACE || byte === NEWLINE) break;
    else if (byte === EQUALS && atEquals) break;
  }
  return at;
}

function afterSpaces(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === SPACE) at++;
  return at;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === undefined || byte === NEWLINE || byte === RETURN;
}

/** The start of the first line with content from `at` on: neither blank nor a comment. The payload's end for none. */
export function contentStart(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === HASH) at = lineEnd(bytes, at);
    else if (byte !== SPACE && byte !== TAB && byte !== NEWLINE && byte !== RETURN) return at;
    at++;
  }
  return bytes.length;
}

function lineEnd(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(NEWLINE, start);
  return end === -1 ? bytes.length : end;
}

/** The value that stands bare from `start` to `end`: a number, an integer with i or u, or a word. Undefined for none. */
function bareValue(bytes: Buffer, start: number, end: number): number | boolean | undefined {
  const last = bytes[end - 1];
  const isInteger = last === LETTER_I || last === LETTER_U;
  const plain = plainNumber(bytes, start, isInteger ? end - 1 : end);
  if (!isInteger && !Number.isNaN(plain)) return plain;
  const text = bytes.toString('latin1', start, end);
  if (isInteger) {
    return /^-?\d+i$|^\d+u$/.test(text) ? Number(text.slice(0, -1)) : undefined;
  }
  return WORDS.get(text) ?? (isNumberText(text) ? Number(text) : undefined);
}

/** The place of the quote that closes a text which starts at `start`; -1 where none does. */
function closingQuote(bytes: Buffer, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

/** Reads a field's value into the line. Gives back where it ends, or what is wrong. */
function scanValue(bytes: Buffer, start: number, line: Line): number | string {
  if (bytes[start] === QUOTE) {
    const close = closingQuote(bytes, start + 1);
    if (close === -1) return 'a text is not closed';
    const text = bytes.toString('utf8', start + 1, close);
    line.values[line.fields] = text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text;
    return close + 1;
  }
  let end = start;
  while (end < bytes.length) {
    const byte = bytes[end] as number;
    if (byte === COMMA || byte === SPACE || byte === NEWLINE || byte === RETURN) break;
    end++;
  }
  const value = bareValue(bytes, start, end);
  if (value === undefined) return 'a value is neither a number, a boolean nor a quoted text';
  line.values[line.fields] = value;
  return end;
}

/** Reads the fields into the line. Gives back where they end, or what is wrong. */
function scanFields(bytes: Buffer, start: number, line: Line): number | string {
  let at = start;
  for (;;) {
    const keyEnd = nameEnd(bytes, at, true);
    if (keyEnd === at || bytes[keyEnd] !== EQUALS) return 'a field is not key=value';
    line.keyStarts[line.fields] = at;
    line.keyEnds[line.fields] = keyEnd;
    const valueEnd = scanValue(bytes, keyEnd + 1, line);
    if (typeof valueEnd === 'string') return valueEnd;
    line.fields++;
    const next = bytes[valueEnd];
    if (next !== COMMA) {
      if (next === SPACE || isLineEnd(next)) return valueEnd;
      return 'something follows a text without a comma';
    }
    at = valueEnd + 1;
  }
}

/** Reads the time, if there is one, into the line. Gives back where the line ends, or what is wrong. */
function scanTime(bytes: Buffer, start: number, line: Line): number | string {
  line.timeUs = Number.NaN;
  let at = afterSpaces(bytes, start);
  if (!isLineEnd(bytes[at])) {
    const first = bytes[at] === MINUS ? at + 1 : at;
    let end = first;
    while ((bytes[end] as number) >= 0x30 && (bytes[end] as number) <= 0x39) end++;
    if (end === first) return 'the time is not a whole number';
    const timeUs = wholeTimeUs(bytes, first, end);
    line.timeUs = first === at ? timeUs : -timeUs;
    at = afterSpaces(bytes, end);
  }
  while (bytes[at] === RETURN) at++;
  if (at < bytes.length && bytes[at] !== NEWLINE) return 'the time is not a whole number';
  return at;
}

/** Whether `line.start` begins as the line before did, up to the end of its tags. */
function hasSameSeries(bytes: Buffer, start: number, line: Line): boolean {
  const length = line.seriesEnd - line.start;
  if (length === 0 || bytes[start + length] !== SPACE) return false;
  for (let at = 0; at < length; at++) {
    if (bytes[start + at] !== bytes[line.start + at]) return false;
  }
  return true;
}

/** Reads measurement and tags. Gives back where they end, or what is wrong. */
function scanSeries(bytes: Buffer, start: number, line: Line): number | string {
  line.measurementEnd = nameEnd(bytes, start, false);
  let end = line.measurementEnd;
  if (end === start) return 'the measurement is missing';
  while (bytes[end] === COMMA || bytes[end] === EQUALS) end = nameEnd(bytes, end + 1, true);
  line.seriesEnd = end;
  return bytes[end] === SPACE ? end : 'the fields are missing';
}

/** Finds the parts of the line at `start`, which has content. Gives back whether its series is that of the line before. */
export function scanLine(bytes: Buffer, start: number, line: Line): boolean {
  const isSame = hasSameSeries(bytes, start, line);
  const shift = start - line.start;
  line.start = start;
  line.fields = 0;
  let end: number | string;
  if (isSame) {
    line.measurementEnd += shift;
    line.seriesEnd += shift;
    end = line.seriesEnd;
  } else end = scanSeries(bytes, start, line);
  if (typeof end === 'number') end = scanFields(bytes, afterSpaces(bytes, end), line);
  if (typeof end === 'number') end = scanTime(bytes, end, line);
  line.error = typeof end === 'string' ? end : undefined;
  // What is broken ends with its line, also in a text that is never closed.
  line.next = typeof end === 'string' ? lineEnd(bytes, start) + 1 : end + 1;
  if (line.error !== undefined) line.seriesEnd = line.start;
  return isSame;
}

/** Whether bytes begin with what may be a line: a measurement, a space, a key and an equals sign. */
export function looksLikeLines(bytes: Buffer): boolean {
  const start = contentStart(bytes, 0);
  const line = createLine();
  if (typeof scanSeries(bytes, start, line) === 'string') return false;
  const keyStart = afterSpaces(bytes, line.seriesEnd);
  const keyEnd = nameEnd(bytes, keyStart, true);
  return keyEnd > keyStart && bytes[keyEnd] === EQUALS;
}
