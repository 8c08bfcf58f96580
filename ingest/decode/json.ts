// JSON payloads. Bare NaN and Infinity are read too, as Python writes them.
import { isUtf8 } from 'node:buffer';
import { EMPTY, NOT_JSON, NOT_UTF8 } from './faults.ts';
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

/** Decodes a JSON payload. */
export const decodeJson: Decoder = (payload, context, sink) => {
  if (payload.length === 0) return EMPTY;
  const plain = plainNumber(payload, 0, payload.length);
  if (!Number.isNaN(plain) && !hasLeadingZeros(payload, 0, payload.length)) {
    sink.number('', context.defaultTimeUs, plain, 0);
    return undefined;
  }
  if (!isUtf8(payload)) return NOT_UTF8;
  let parsed: unknown;
  try {
    const text = bufferOf(payload).toString('utf8');
    parsed = parseLenient(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return NOT_JSON;
  }
  return pushPayload(parsed, context, sink);
};
