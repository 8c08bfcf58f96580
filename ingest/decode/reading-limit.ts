// No message holds more than so many readings: counted before the first of them is given to the sink.
import { READINGS_PER_MESSAGE_MAX, TOO_MANY } from './faults.ts';
import type { Decoder, ReadingSink } from './sink.ts';

function countingSink(): ReadingSink & { readonly count: () => number } {
  let count = 0;
  const one = () => {
    count++;
  };
  return { number: one, state: one, ignored: one, fault: one, labelled() {}, count: () => count };
}

/** The decoder, refusing payloads of too many readings. Each takes a byte at least, so that only large ones are counted. */
export function limitReadings(decode: Decoder): Decoder {
  return (payload, context, sink) => {
    if (payload.length > READINGS_PER_MESSAGE_MAX) {
      const counting = countingSink();
      const fault = decode(payload, context, counting);
      if (fault !== undefined) return fault;
      if (counting.count() > READINGS_PER_MESSAGE_MAX) return TOO_MANY;
    }
    return decode(payload, context, sink);
  };
}
