// Zstandard (RFC 8878) with bounded output: Node 20 has none. fzstd, which is there, takes a window of 2 GiB on the word
// of six bytes, copies its whole window for each block, and reads on where a block is cut off or holds more than a block
// may; here frames are measured first, and no step goes unchecked. Checksums are left alone: the transport has its own.
import { BLOCK_BYTES_MAX, createFrameState, decodeBlock } from './zstd-block.ts';
import { ZstdError } from './zstd-entropy.ts';

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
  readonly blocksStart: number;
  readonly end: number;
  /** What it says that it holds. */
  readonly size: number | undefined;
  /** What its blocks can hold at most. */
  readonly sizeMax: number;
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
      return { blocksStart, end, size, sizeMax: Math.min(possible, size ?? roomBytes) };
    }
    at = next;
  }
}

/** Decodes a frame into memory of its own. */
function decodeFrame(bytes: Buffer, { blocksStart, size, sizeMax }: Frame): Buffer {
  const state = createFrameState(Buffer.allocUnsafe(sizeMax));
  const { output } = state;
  let at = blocksStart;
  let isLast = false;
  while (!isLast) {
    const head = bytes.readUIntLE(at, 3);
    const blockSize = head >> 3;
    isLast = (head & 1) !== 0;
    at += 3;
    const type = (head >> 1) & 3;
    if (type === 2) decodeBlock(bytes, at, at + blockSize, state);
    else {
      const end = state.written + blockSize;
      if (end > output.length) throw new ZstdError('it is corrupt', size === undefined);
      if (type === 1) output.fill(bytes[at] as number, state.written, end);
      else bytes.copy(output, state.written, at, at + blockSize);
      state.written = end;
    }
    at += type === 1 ? 1 : blockSize;
  }
  if (size !== undefined && size !== state.written) throw new ZstdError('it is corrupt');
  return output.subarray(0, state.written);
}

/** Inflates all frames; throws a `ZstdError` where they hold more than `bytesMax`, or cannot be read. */
export function inflateZstd(bytes: Buffer, bytesMax: number): Buffer {
  const parts: Buffer[] = [];
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
    const part = decodeFrame(bytes, frame);
    parts.push(part);
    inflated += part.length;
    at = frame.end;
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}
