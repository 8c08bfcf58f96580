// The frames of PostgreSQL's wire protocol 3.0, both directions, as pure functions over bytes: nothing here reads a
// socket or knows a session. (PostgreSQL 17, chapter 53 "Frontend/Backend Protocol".)

/** One whole frontend message as it came: type byte, length, body. */
export type Frame = Buffer;

/** What a client did that the protocol does not allow; the connection ends with it. */
export class ProtocolViolation extends Error {
  readonly code = '08P01';
}

/** An untyped packet, which only the first packets of a connection are. */
export type Opening =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gss' }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: number }
  | { readonly kind: 'startup'; readonly parameters: ReadonlyMap<string, string> };

export interface FrameReader {
  push(chunk: Buffer): void;
  /** The next packet of an opening connection, or undefined until it is complete. */
  opening(): Opening | undefined;
  /** The next message, or undefined until it is complete. */
  message(): Frame | undefined;
  /** Bytes that are held because their frame is not complete. */
  readonly size: number;
}

/** PostgreSQL's own bound for a startup packet. */
const OPENING_BYTES_MAX = 10_000;
const FRONTEND_TYPES = new Set([...'BCDEFHPQSXcdfp'].map((letter) => letter.charCodeAt(0)));

/**
 * Cuts a stream of bytes into frames, whatever the chunks.
 * @throws ProtocolViolation on a length or a type that no client may send; the reader is of no use afterwards.
 */
export function createFrameReader(frameBytesMax: number): FrameReader {
  let chunks: Buffer[] = [];
  let size = 0;

  /** The first `length` bytes in one piece, still held. */
  function peek(length: number): Buffer | undefined {
    if (size < length) return undefined;
    const first = chunks[0]!;
    if (first.length >= length) return first;
    // A frame arrives in many chunks: they are joined once, when it is complete, not on every arrival.
    chunks = [Buffer.concat(chunks)];
    return chunks[0];
  }

  function take(length: number): Buffer {
    const whole = peek(length)!;
    if (whole.length === length) chunks.shift();
    else chunks[0] = whole.subarray(length);
    size -= length;
    return whole.subarray(0, length);
  }

  return {
    push(chunk) {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      size += chunk.length;
    },
    opening() {
      const length = peek(4)?.readInt32BE(0);
      if (length === undefined) return undefined;
      if (length < 8 || length > OPENING_BYTES_MAX) {
        throw new ProtocolViolation('invalid length of startup packet');
      }
      return size < length ? undefined : readOpening(take(length));
    },
    message() {
      const header = peek(5);
      if (header === undefined) return undefined;
      if (!FRONTEND_TYPES.has(header[0]!)) {
        throw new ProtocolViolation(`invalid frontend message type ${header[0]}`);
      }
      const length = header.readInt32BE(1);
      if (length < 4 || length > frameBytesMax) {
        throw new ProtocolViolation(`invalid message length ${length}`);
      }
      return size < length + 1 ? undefined : take(length + 1);
    },
    get size() {
      return size;
    },
  };
}

const PROTOCOL_3 = 3;
const CANCEL_CODE = 80877102;
const SSL_CODE = 80877103;
const GSS_CODE = 80877104;

function readOpening(packet: Buffer): Opening {
  const code = packet.readInt32BE(4);
  if (code === SSL_CODE) return { kind: 'ssl' };
  if (code === GSS_CODE) return { kind: 'gss' };
  if (code === CANCEL_CODE && packet.length === 16) {
    return { kind: 'cancel', processId: packet.readInt32BE(8), secret: packet.readInt32BE(12) };
  }
  if (code >> 16 !== PROTOCOL_3) {
    throw new ProtocolViolation(
      `unsupported frontend protocol ${code >> 16}.${code & 0xffff}: server supports 3.0`,
    );
  }
  const words = packet.toString('utf8', 8).split('\0');
  const parameters = new Map<string, string>();
  for (let i = 0; i + 1 < words.length && words[i] !== ''; i += 2) {
    parameters.set(words[i]!, words[i + 1]!);
  }
  return { kind: 'startup', parameters };
}

/** The letter of a frame. */
export function typeOf(frame: Buffer): string {
  return String.fromCharCode(frame[0]!);
}

/** The string that begins at `offset` and the offset behind its terminator. */
function textAt(frame: Buffer, offset: number): { text: string; end: number } {
  const end = frame.indexOf(0, offset);
  if (end === -1) throw new ProtocolViolation('invalid string in message');
  return { text: frame.toString('utf8', offset, end), end: end + 1 };
}

/** The statement of a Query. */
export function queryText(frame: Frame): string {
  return textAt(frame, 5).text;
}

/** Name and text of a Parse. */
export function parseParts(frame: Frame): { name: string; text: string; rest: Buffer } {
  const name = textAt(frame, 5);
  const text = textAt(frame, name.end);
  return { name: name.text, text: text.text, rest: frame.subarray(text.end) };
}

/** Portal and statement of a Bind, and everything behind them. */
export function bindParts(frame: Frame): { portal: string; statement: string; rest: Buffer } {
  const portal = textAt(frame, 5);
  const statement = textAt(frame, portal.end);
  return { portal: portal.text, statement: statement.text, rest: frame.subarray(statement.end) };
}

/** What a Describe or Close is about: `S` a statement, `P` a portal. */
export function targetParts(frame: Frame): { kind: string; name: string } {
  if (frame.length < 7) throw new ProtocolViolation('message too short');
  return { kind: String.fromCharCode(frame[5]!), name: textAt(frame, 6).text };
}

/** The portal of an Execute. */
export function executedPortal(frame: Frame): string {
  return textAt(frame, 5).text;
}

/** The reason that a client gives in a CopyFail. */
export function copyFailReason(frame: Frame): string {
  return textAt(frame, 5).text;
}

/** A message of either direction: strings get their terminator, bytes stand as they are. */
export function frame(type: string, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const body = parts.map((part) =>
    typeof part === 'string' ? Buffer.from(`${part}\0`, 'utf8') : part,
  );
  const length = body.reduce((sum, part) => sum + part.length, 4);
  const header = Buffer.allocUnsafe(5);
  header.write(type, 0, 'latin1');
  header.writeInt32BE(length, 1);
  return Buffer.concat([header, ...body]);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export const SYNC: Frame = frame('S');
export const PARSE_COMPLETE = frame('1');

/** State of the transaction as ReadyForQuery tells it: idle, in a transaction, in a failed one. */
export type TransactionState = 'I' | 'T' | 'E';

export function readyForQuery(state: TransactionState): Buffer {
  return frame('Z', Buffer.from(state));
}

/** An error of the endpoint's own, with the fields that every client reads. */
export function errorResponse(fault: {
  readonly severity?: 'ERROR' | 'FATAL';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}): Buffer {
  const severity = fault.severity ?? 'ERROR';
  const fields = [`S${severity}`, `V${severity}`, `C${fault.code}`, `M${fault.message}`];
  if (fault.hint !== undefined) fields.push(`H${fault.hint}`);
  return frame('E', ...fields, Buffer.from([0]));
}

/** CopyInResponse for `columns` columns, all in one format. */
export function copyInResponse(format: 'text' | 'binary', columns: number): Buffer {
  const code = format === 'binary' ? 1 : 0;
  const perColumn = Buffer.alloc(columns * 2);
  for (let i = 0; i < columns; i++) perColumn.writeInt16BE(code, i * 2);
  return frame('G', Buffer.from([code]), int16(columns), perColumn);
}

/** The messages of an answer, one after another, without copying. */
export function* messagesOf(answer: Buffer): Generator<Buffer> {
  for (let at = 0; at + 5 <= answer.length; ) {
    const end = at + 1 + answer.readInt32BE(at + 1);
    yield answer.subarray(at, end);
    at = end;
  }
}

/** The state in the ReadyForQuery that ends an answer; undefined if it does not end with one. */
export function endingState(answer: Buffer): TransactionState | undefined {
  const at = answer.length - 6;
  if (at < 0 || answer[at] !== 0x5a || answer.readInt32BE(at + 1) !== 5) return undefined;
  return String.fromCharCode(answer[at + 5]!) as TransactionState;
}

/** The tag of a CommandComplete. */
export function commandTag(message: Buffer): string {
  return textAt(message, 5).text;
}

/** The fields of an ErrorResponse or NoticeResponse by their letters. */
export function faultFields(message: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = 5; at < message.length && message[at] !== 0; ) {
    const { text, end } = textAt(message, at + 1);
    fields.set(String.fromCharCode(message[at]!), text);
    at = end;
  }
  return fields;
}

/** The columns of a DataRow in text format, null where null. */
export function rowValues(message: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 7;
  for (let left = message.readInt16BE(5); left > 0; left--) {
    const length = message.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : message.toString('utf8', at, at + length));
    if (length > 0) at += length;
  }
  return values;
}
