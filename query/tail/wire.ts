// Frames as bytes, in the two subprotocols.
import { pack, unpack } from 'msgpackr';
import { TailraceError } from '../../lib/errors.ts';
import { type DataFrame, FRAME_MAX_BYTES, isDataFrame, type ServerFrame } from './frames.ts';
import { pointBytes, pointText } from './point.ts';
import { isSnapshot } from './snapshot.ts';

export const PROTOCOLS = ['tailrace.json', 'tailrace.msgpack'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Points are most of what is sent: each was written once for all frames that it stands in. */
function dataText({ id, cursor, points, dropped }: DataFrame): string {
  let rows = '';
  for (const point of points) rows += rows === '' ? pointText(point) : `,${pointText(point)}`;
  return `{"type":"data","id":${JSON.stringify(id)},"cursor":"${cursor}","points":[${rows}],"dropped":${dropped}}`;
}

/** The head of an array in MessagePack (github.com/msgpack/msgpack, spec.md). */
function arrayHead(length: number): Uint8Array {
  if (length < 16) return Uint8Array.of(0x90 | length);
  if (length < 65_536) return Uint8Array.of(0xdc, length >> 8, length & 0xff);
  const head = Buffer.alloc(5, 0xdd);
  head.writeUInt32BE(length, 1);
  return head;
}

/** A map of five: the type, and behind it four keys with their values. */
const DATA_HEAD = Buffer.concat([Buffer.of(0x85), pack('type'), pack('data')]);
const KEYS = {
  id: pack('id'),
  cursor: pack('cursor'),
  points: pack('points'),
  dropped: pack('dropped'),
};

function dataBytes({ id, cursor, points, dropped }: DataFrame): Uint8Array {
  return Buffer.concat([
    ...[DATA_HEAD, KEYS.id, pack(id), KEYS.cursor, pack(cursor)],
    ...[KEYS.points, arrayHead(points.length)],
    ...points.map(pointBytes),
    ...[KEYS.dropped, pack(dropped)],
  ]);
}

/** Writes a frame as JSON. */
export function frameText(frame: ServerFrame): string {
  if (isDataFrame(frame)) return dataText(frame);
  return isSnapshot(frame) ? frame.toText() : JSON.stringify(frame);
}

/** Writes a frame. */
export function encodeFrame(frame: ServerFrame, protocol: Protocol): string | Uint8Array {
  if (protocol === 'tailrace.json') return frameText(frame);
  if (isDataFrame(frame)) return dataBytes(frame);
  return pack(isSnapshot(frame) ? frame.toValue() : frame);
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
