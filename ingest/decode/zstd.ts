// Zstandard (RFC 8878) with bounded output: Node 20 has none. The decoder is the reference one, in WebAssembly; frames
// are measured before it sees them, as it takes as much memory as it is told a frame holds.
import { ZSTDDecoder } from 'zstddec';

const decoder = new ZSTDDecoder();
await decoder.init();

/** Why bytes cannot be inflated. */
export class ZstdError extends Error {
  readonly isTooLarge: boolean;
  constructor(reason: string, isTooLarge = false) {
    super(reason);
    this.isTooLarge = isTooLarge;
  }
}

/** What a block holds at most. */
const BLOCK_BYTES_MAX = 131_072;
const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a5;
/** A frame costs some memory, however little is in it. */
const FRAMES_MAX = 1_000;

/** Whether bytes begin as a frame does. */
export function isZstd(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  const magic = bytes.readUInt32LE(0);
  return magic === MAGIC || magic >>> 4 === SKIPPABLE_MAGIC;
}

/** One frame, measured but not decoded. */
interface Frame {
  readonly end: number;
  /** What it says that it holds. */
  readonly size: number | undefined;
  /** What its blocks can hold, as far as there is room. */
  readonly sizeMax: number;
  /** Whether they can hold more than that. */
  readonly mayExceed: boolean;
}

function need(bytes: Buffer, end: number): void {
  if (end > bytes.length) throw new ZstdError('it ends too early');
}

/** Reads a frame's header. Gives back where its blocks start and what it says of its size. */
function readHeader(bytes: Buffer, start: number) {
  need(bytes, start + 6);
  const descriptor = bytes[start + 4] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw new ZstdError('a reserved bit is set');
  let at = start + (isSingleSegment ? 5 : 6);
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  need(bytes, at + dictionaryBytes);
  const usesDictionary = bytes.subarray(at, at + dictionaryBytes).some((byte) => byte !== 0);
  if (usesDictionary) throw new ZstdError('it needs a dictionary');
  at += dictionaryBytes;
  const flag = descriptor >> 6;
  const sizeBytes = flag === 0 ? (isSingleSegment ? 1 : 0) : 1 << flag;
  need(bytes, at + sizeBytes);
  let size: number | undefined;
  if (sizeBytes === 8) size = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  else if (sizeBytes > 0) size = bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  return { blocksStart: at + sizeBytes, size, hasChecksum: (descriptor & 4) !== 0 };
}

/** Walks a frame from block to block. */
function measureFrame(bytes: Buffer, start: number, roomBytes: number): Frame {
  const { blocksStart, size, hasChecksum } = readHeader(bytes, start);
  if (size !== undefined && size > roomBytes) throw new ZstdError('', true);
  let at = blocksStart;
  /** What blocks say of their size for certain, and what they all can hold. */
  let certain = 0;
  let possible = 0;
  for (;;) {
    need(bytes, at + 3);
    const head = bytes.readUIntLE(at, 3);
    const type = (head >> 1) & 3;
    const blockSize = head >> 3;
    if (type === 3 || blockSize > BLOCK_BYTES_MAX) throw new ZstdError('a block is invalid');
    const next = at + 3 + (type === 1 ? 1 : blockSize);
    need(bytes, next);
    if (type !== 2) certain += blockSize;
    possible += type === 2 ? BLOCK_BYTES_MAX : blockSize;
    if (certain > roomBytes) throw new ZstdError('', true);
    if ((head & 1) !== 0) {
      const end = next + (hasChecksum ? 4 : 0);
      need(bytes, end);
      const allowed = size ?? roomBytes;
      const mayExceed = size === undefined && possible > roomBytes;
      return { end, size, sizeMax: Math.min(possible, allowed), mayExceed };
    }
    at = next;
  }
}

/** Decodes a frame into memory of its own. */
function decodeFrame(frame: Uint8Array, { size, sizeMax, mayExceed }: Frame): Uint8Array {
  // A frame of empty blocks: there is nothing to decode.
  const decoded = sizeMax === 0 ? new Uint8Array() : decoder.decode(frame, sizeMax);
  // Where it fails the decoder gives back nothing, and does not say why.
  if (decoded.length === 0 && sizeMax > 0) throw new ZstdError('it is corrupt', mayExceed);
  if (size !== undefined && size !== decoded.length) throw new ZstdError('it is corrupt');
  return decoded;
}

/** Inflates all frames; throws a `ZstdError` where they hold more than `bytesMax`, or cannot be read. */
export function inflateZstd(bytes: Buffer, bytesMax: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let inflated = 0;
  let frames = 0;
  for (let at = 0; at < bytes.length; ) {
    if (++frames > FRAMES_MAX) throw new ZstdError('it has too many frames');
    need(bytes, at + 8);
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === SKIPPABLE_MAGIC) {
      at += 8 + bytes.readUInt32LE(at + 4);
      need(bytes, at);
      continue;
    }
    if (magic !== MAGIC) throw new ZstdError('something else follows a frame');
    const frame = measureFrame(bytes, at, bytesMax - inflated);
    const part = decodeFrame(bytes.subarray(at, frame.end), frame);
    parts.push(part);
    inflated += part.length;
    at = frame.end;
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}
