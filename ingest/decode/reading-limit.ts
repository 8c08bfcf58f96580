// No message of line protocol holds more than so many readings: counted before the first of them is given to the sink.
import { READINGS_PER_MESSAGE_MAX, TOO_MANY } from './faults.ts';
import type { Decoder, ReadingSink } from './sink.ts';

const NEWLINE = 0x0a;
const EQUALS = 0x3d;

/** As many as there may be at most: each field has an equals sign, and each line is at most one fault. */
function readingsAtMost(bytes: Uint8Array): number {
  let count = 1;
  for (const byte of bytes) if (byte === EQUALS || byte === NEWLINE) count++;
  return count;
}

function countingSink(): ReadingSink & { readonly count: () => number } {
  let count = 0;
  const one = () => {
    count++;
  };
  return { number: one, state: one, ignored: one, fault: one, labelled() {}, count: () => count };
}

/** The decoder, refusing payloads of too many readings. Only what may be one is read twice. */
export function limitLines(decode: Decoder): Decoder {
  return (payload, context, sink) => {
    const isLarge = payload.length > READINGS_PER_MESSAGE_MAX;
    if (isLarge && readingsAtMost(payload) > READINGS_PER_MESSAGE_MAX) {
      const counting = countingSink();
      const fault = decode(payload, context, counting);
      if (fault !== undefined) return fault;
      if (counting.count() > READINGS_PER_MESSAGE_MAX) return TOO_MANY;
    }
    return decode(payload, context, sink);
  };
}
