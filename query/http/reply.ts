// What a handler gives back: data, so that handlers can be tested without a socket.

/** A whole answer. */
export interface Reply {
  readonly kind: 'whole';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /**
   * What the ETag stands for, where that is not the body itself (an answer also carries its decision's id, which is new
   * each time), in one piece or in several. Only 200 gets one.
   */
  readonly etagOf?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Level that served a range, for the metrics. */
  readonly level?: string;
}

/** An answer that goes on until one side ends it. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly headers: Readonly<Record<string, string>>;
  /** Called once the head is written. */
  open(stream: ByteStream): void;
  /** Called where it does not open: the client went away before, or asked for the head only, or opening failed. */
  abandon(): void;
}

/** An answer that is made while it is sent, as fast as its client takes it. */
export interface PiecesReply {
  readonly kind: 'pieces';
  readonly headers: Readonly<Record<string, string>>;
  /**
   * In order; asked for one at a time, and told to return where no more are wanted. What it throws cuts the connection:
   * the answer is not complete. What it waits for has to heed the request's signal.
   */
  readonly pieces: AsyncIterable<Uint8Array | string>;
  /** Level that serves a range, for the metrics. */
  readonly level?: string;
}

/** The writing end of a streamed answer. Nothing here throws after the end. */
export interface ByteStream {
  write(text: string): void;
  /** False while the socket has not taken everything that was written: better hold back until it drains. */
  flowing(): boolean;
  /** Grows whenever the socket has taken some of what waits: how much of it the engine does not tell. */
  takes(): number;
  onDrain(listener: () => void): void;
  onClosed(listener: () => void): void;
  /** Ends the answer, so that the client sees it as complete. */
  end(): void;
  /** Cuts the connection. */
  abort(): void;
}

export type AnyReply = Reply | StreamReply | PiecesReply;

/** `application/json` unless `headers` say otherwise. */
export function reply(
  body: string | Uint8Array,
  options: Partial<Pick<Reply, 'status' | 'headers' | 'etagOf' | 'level'>> = {},
): Reply {
  const { status = 200, headers = {}, ...rest } = options;
  return {
    kind: 'whole',
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
    ...rest,
  };
}

/** An answer of a status that has no body (204, 304). */
export function emptyReply(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { kind: 'whole', status, headers, body: '' };
}
