// Bytes that grow at their end: what an answer is written into once, hashed from and sent from, instead of strings that
// are put together, hashed, and made into bytes again.

/** Written up to `length`; what lies behind it has no meaning. Whoever writes reserves first. */
export interface ByteBuffer {
  bytes: Buffer;
  /** Of the same memory. */
  view: DataView;
  length: number;
}

/** Bytes that UTF-8 takes for a UTF-16 unit at most. */
const UTF8_BYTES_MAX = 3;

/** Makes an empty buffer for about so many bytes. */
export function createByteBuffer(bytesExpected: number): ByteBuffer {
  return { ...memory(Math.max(64, bytesExpected)), length: 0 };
}

function memory(count: number): Pick<ByteBuffer, 'bytes' | 'view'> {
  const bytes = Buffer.allocUnsafeSlow(count);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** Makes room for so many bytes behind the length; `bytes` and `view` may be others afterwards. */
export function reserve(buffer: ByteBuffer, count: number): void {
  const needed = buffer.length + count;
  if (needed <= buffer.bytes.length) return;
  const { bytes, view } = memory(Math.max(needed, 2 * buffer.bytes.length));
  bytes.set(buffer.bytes.subarray(0, buffer.length));
  buffer.bytes = bytes;
  buffer.view = view;
}

/** Appends a text as UTF-8. */
export function writeText(buffer: ByteBuffer, text: string): void {
  reserve(buffer, text.length * UTF8_BYTES_MAX);
  buffer.length += buffer.bytes.write(text, buffer.length);
}

/** Bytes that are appended often, four at a time: calls that copy take longer than this for so few. */
export interface Piece {
  readonly words: Uint32Array;
  readonly length: number;
}

/** Makes a piece of a text. */
export function pieceOf(text: string): Piece {
  const bytes = Buffer.from(text);
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(words.buffer).set(bytes);
  return { words, length: bytes.length };
}

/** Appends a piece. */
export function writePiece(buffer: ByteBuffer, { words, length }: Piece): void {
  reserve(buffer, 4 * words.length);
  const { view } = buffer;
  const at = buffer.length;
  for (let i = 0; i < words.length; i++) view.setUint32(at + 4 * i, words[i]!, true);
  buffer.length = at + length;
}

/** What was written; not a copy. */
export function writtenBytes({ bytes, length }: ByteBuffer): Buffer {
  return bytes.subarray(0, length);
}
