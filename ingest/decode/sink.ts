// What decoders write readings into: calls instead of objects, because there is one call a reading on the hot path.
import type { Fault } from '../topic-rule.ts';

export type { Fault } from '../topic-rule.ts';

/**
 * Takes a message's readings one by one. `key` is the sub-channel, '' for the topic's channel itself. Times are µs
 * since 1970 UTC, in range; a number is finite; a text can be stored.
 */
export interface ReadingSink {
  number(key: string, timeUs: number, value: number, quality: number): void;
  state(key: string, timeUs: number, value: string, quality: number): void;
  /** NaN or null where a value was expected: no reading, but received. */
  ignored(): void;
  /** A reading that cannot be kept, while the message's others can. */
  fault(fault: Fault): void;
}

/**
 * Reads a payload into `sink`. Gives back why it cannot be read as a whole; then the sink was not called.
 * `receivedUs` is the time of readings that carry none, and the present for judging those that do.
 */
export type Decoder = (
  payload: Uint8Array,
  receivedUs: number,
  sink: ReadingSink,
) => Fault | undefined;
