// JSON payloads. Bare NaN and Infinity are read too, as Python writes them.
import { isUtf8 } from 'node:buffer';
import { DEPTH_MAX } from './binary-reader.ts';
import { mayHoldMany } from './extent.ts';
import { EMPTY, JSON_TOO_DEEP, NOT_JSON, NOT_UTF8 } from './faults.ts';
import { bufferOf, hasLeadingZeros, plainNumber } from './numbers.ts';
import { pushPayload } from './objects.ts';
import type { Decoder } from './sink.ts';

/** A string, also one that never ends, or one of the words. */
const BARE_WORDS = /"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|$)|NaN|-?Infinity/g;

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

/** In bytes. Smaller payloads may be as deep as they like: to parse them takes no time. */
const ANY_DEPTH_BYTES_MAX = 256 * 1024;
const QUOTE = 0x22;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/** Whether JSON is nested so deep that to parse it takes seconds, and each level memory. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isInText = !isInText;
    else if (isInText) {
      if (byte === BACKSLASH) at++;
    } else if (byte === LIST || byte === OBJECT) {
      if (++depth > DEPTH_MAX) return true;
    } else if (byte === LIST_END || byte === OBJECT_END) depth--;
  }
  return false;
}

/** Decodes a JSON payload. */
export const decodeJson: Decoder = (payload, context, sink) => {
  if (payload.length === 0) return EMPTY;
  const plain = plainNumber(payload, 0, payload.length);
  if (!Number.isNaN(plain) && !hasLeadingZeros(payload, 0, payload.length)) {
    sink.number('', context.defaultTimeUs, plain, 0);
    return undefined;
  }
  if (!isUtf8(payload)) return NOT_UTF8;
  if (payload.length > ANY_DEPTH_BYTES_MAX && isTooDeep(payload)) return JSON_TOO_DEEP;
  const bytes = bufferOf(payload);
  let parsed: unknown;
  try {
    const text = bytes.toString('utf8');
    parsed = parseLenient(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return NOT_JSON;
  }
  const isMany = mayHoldMany(bytes.length, bytes.indexOf(LIST, 1) !== -1);
  return pushPayload(parsed, isMany, context, sink);
};
