// Reads what a server sends over a WebSocket (RFC 6455, 5.2): counts frames by their heads alone, which costs next to
// nothing; only a sampled connection has its frames put together and shown.

export interface FrameReader {
  /** Takes bytes as they come. */
  read(chunk: Buffer): void;
}

export interface FrameListener {
  /** A text or binary frame; its payload is there only where `whole`, else no more than the start of it may be. */
  frame(payload: Buffer): void;
  ping(): void;
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Size of a head and of the payload behind it; undefined where the head is not there yet. Servers mask nothing. */
function headOf(data: Buffer, at: number): { head: number; payload: number } | undefined {
  if (at + 2 > data.length) return undefined;
  const short = data[at + 1]!;
  if (short < 126) return { head: 2, payload: short };
  const head = short === 126 ? 4 : 10;
  if (at + head > data.length) return undefined;
  const payload = short === 126 ? data.readUInt16BE(at + 2) : data.readUInt32BE(at + 6);
  return { head, payload };
}

/** Makes a reader for one connection, from the first byte behind the handshake on. */
export function createFrameReader(whole: boolean, listener: FrameListener): FrameReader {
  let rest: Buffer = NOTHING;
  let skip = 0;
  return {
    read(chunk) {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = skip;
      while (at < data.length) {
        const found = headOf(data, at);
        if (found === undefined) break;
        const start = at + found.head;
        const end = start + found.payload;
        if (whole && end > data.length) break;
        const opcode = data[at]! & 0x0f;
        if (opcode === 9) listener.ping();
        else if (opcode === 1 || opcode === 2) listener.frame(data.subarray(start, end));
        at = end;
      }
      skip = Math.max(0, at - data.length);
      rest = at < data.length ? data.subarray(at) : NOTHING;
    },
  };
}
