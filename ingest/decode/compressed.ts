// gzip and zstd around a payload, told by their first bytes. What comes out is bounded: a payload that inflates to more
// is refused after no more than that much memory.
import { gunzipSync } from 'node:zlib';
import { bufferOf } from './numbers.ts';
import type { Fault } from './sink.ts';
import { inflateZstd, isZstd, ZstdError } from './zstd.ts';

/** As much as the largest packet that is taken uncompressed. */
export const INFLATED_BYTES_MAX = 16 * 1024 * 1024;

const TOO_LARGE: Fault = {
  code: 'payload_too_large',
  reason: `The payload inflates to more than ${INFLATED_BYTES_MAX} bytes.`,
};

function unreadable(format: string, reason: string): Fault {
  return { code: 'payload_unreadable', reason: `The payload is no readable ${format}: ${reason}.` };
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08;
}

/** Whether a payload is compressed. */
export function isCompressed(payload: Uint8Array): boolean {
  const bytes = bufferOf(payload);
  return isGzip(bytes) || isZstd(bytes);
}

function inflateGzip(bytes: Buffer): Buffer | Fault {
  // The last four bytes say how much the last member holds, so that most of what is too large costs nothing.
  const size = bytes.length >= 18 ? bytes.readUInt32LE(bytes.length - 4) : 0;
  // Deflate packs a thousand to one at best: a larger size is no size, but what follows a member.
  if (size > INFLATED_BYTES_MAX && size <= bytes.length * 1_100) return TOO_LARGE;
  try {
    return gunzipSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    return code === 'ERR_BUFFER_TOO_LARGE' ? TOO_LARGE : unreadable('gzip', message);
  }
}

/** Inflates a payload that is compressed, of at most `INFLATED_BYTES_MAX`. */
export function inflate(payload: Uint8Array): Uint8Array | Fault {
  const bytes = bufferOf(payload);
  if (isGzip(bytes)) return inflateGzip(bytes);
  try {
    return inflateZstd(bytes, INFLATED_BYTES_MAX);
  } catch (cause) {
    if (!(cause instanceof ZstdError)) throw cause;
    return cause.isTooLarge ? TOO_LARGE : unreadable('zstd', cause.message);
  }
}
