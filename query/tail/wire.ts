// Frames as bytes, in the two subprotocols.
import { pack, unpack } from 'msgpackr';
import { TailraceError } from '../../lib/errors.ts';
import { FRAME_MAX_BYTES, type ServerFrame } from './frames.ts';
import { isSnapshot } from './snapshot.ts';

export const PROTOCOLS = ['tailrace.json', 'tailrace.msgpack'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Writes a frame. */
export function encodeFrame(frame: ServerFrame, protocol: Protocol): string | Uint8Array {
  if (protocol === 'tailrace.msgpack') return pack(isSnapshot(frame) ? frame.toValue() : frame);
  return isSnapshot(frame) ? frame.toText() : JSON.stringify(frame);
}

/** Reads a client's frame. @throws TailraceError `frame_too_large`, `bad_frame`. */
export function decodeFrame(data: Uint8Array, protocol: Protocol): unknown {
  if (data.length > FRAME_MAX_BYTES) {
    throw new TailraceError('frame_too_large', `A frame may have ${FRAME_MAX_BYTES} bytes.`);
  }
  try {
    if (protocol === 'tailrace.msgpack') return unpack(data);
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    const form = protocol === 'tailrace.msgpack' ? 'MessagePack' : 'JSON';
    throw new TailraceError('bad_frame', `The frame is not ${form}.`);
  }
}
