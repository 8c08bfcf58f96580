// What decoders write readings into: calls instead of objects, because there is one call a reading on the hot path.
import type { Fault } from '../fault.ts';
import type { Zone } from './zone.ts';

export type { Fault } from '../fault.ts';

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
  /**
   * The readings that follow, up to the next such call, have these labels beside the topic's. `text` tells sets of
   * labels apart, as the payload wrote them ('' is none); `parse` is called only for a text that was not seen lately.
   * Each message begins without.
   */
  labelled(text: string, parse: () => Readonly<Record<string, string>>): void;
}

/** What is known of a message beside its payload. */
export interface DecodeContext {
  /** The present, for judging times that a payload gives; µs since 1970. */
  readonly receivedUs: number;
  /** Time of readings that carry none: what the device said beside the payload, else that of receipt. */
  readonly defaultTimeUs: number;
  /** Of the topic. A payload that names another tenant or asset is refused. */
  readonly tenant: string;
  readonly asset: string;
  /** IANA name of the zone of times without an offset; without it such times are faults. */
  readonly timeZone?: string | undefined;
}

/** As decoders are told it. */
export interface ReadContext extends DecodeContext {
  /** That of `timeZone`. */
  readonly zone?: Zone;
}

/** Reads a payload into `sink`. Gives back why it cannot be read as a whole; then the sink was not called. */
export type Decoder = (
  payload: Uint8Array,
  context: ReadContext,
  sink: ReadingSink,
) => Fault | undefined;
