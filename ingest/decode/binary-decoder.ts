// What MessagePack and CBOR have in common beside their bytes: a payload is one value that takes every byte, its nesting
// is bounded, and what it becomes is read like JSON's.
import {
  type BinaryReader,
  createBinaryReader,
  DEPTH_MAX,
  UnreadableError,
} from './binary-reader.ts';
import { mayHoldMany } from './extent.ts';
import { EMPTY } from './faults.ts';
import { pushPayload } from './objects.ts';
import type { Decoder } from './sink.ts';
import type { ReadText } from './text-cache.ts';

/** A payload that is being read. */
export interface BinaryState {
  readonly reader: BinaryReader;
  readonly readText: ReadText;
  depth: number;
  /** Whether there was a list inside of something. */
  hasInnerLists: boolean;
}

/** Goes one level down. @throws UnreadableError where it is one too many. */
export function enter(state: BinaryState): void {
  if (++state.depth > DEPTH_MAX) throw new UnreadableError('it is nested too deep');
}

/**
 * Makes a decoder of a binary format. `readValue` reads one value and what is in it; `name` and `valueName` are what
 * the format and such a value are called.
 */
export function createBinaryDecoder(
  { name, valueName }: { readonly name: string; readonly valueName: string },
  readText: ReadText,
  readValue: (state: BinaryState) => unknown,
): Decoder {
  return (payload, context, sink) => {
    if (payload.length === 0) return EMPTY;
    const reader = createBinaryReader(payload);
    const state: BinaryState = { reader, readText, depth: 0, hasInnerLists: false };
    let value: unknown;
    try {
      value = readValue(state);
      if (reader.remaining > 0) {
        throw new UnreadableError(`it goes on after its first ${valueName}`);
      }
    } catch (cause) {
      if (!(cause instanceof UnreadableError)) throw cause;
      const reason = `The payload is not ${name}: ${cause.message}.`;
      return { code: 'payload_unreadable', reason };
    }
    const isMany = mayHoldMany(payload.length, state.hasInnerLists);
    return pushPayload(value, isMany, context, sink);
  };
}
