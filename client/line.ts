// One connection of a tail, from its ticket to its end.
import type { Frame } from './frames.ts';

/** What a WebSocket has to have: those of browsers, of Node from 22 on, and of the package `ws` do. */
export interface Socket {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number): void;
  /** `ws` has it: ends a connection whose other end answers no more. */
  terminate?(): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
}

export type SocketClass = new (url: string, protocol: string) => Socket;

export interface LineOptions {
  /** Of the server, `http:` or `https:`. */
  readonly url: string;
  readonly WebSocket: SocketClass;
  readonly token: () => string | Promise<string>;
  /** After so long without a frame the server is asked for a sign of life, and has half as long to give it. */
  readonly silenceMs: number;
  readonly opened: () => void;
  /** `size` is in characters. */
  readonly frame: (frame: Frame, size: number) => void;
  /** The end, told once, unless it was closed from here. `isFinal` where trying again would not help. */
  readonly ended: (reason: string, code: number, isFinal: boolean) => void;
}

export interface Line {
  /** The token that it was opened with, or brought last. */
  token: string | undefined;
  /** Sends where it is open, and does nothing where it is not. */
  send(frame: object): void;
  close(): void;
}

const OPEN = 1;
const NOT_ALLOWED = 4403;
/** Of a line that ends on this side: it was silent, or never came to be. */
const NO_CLOSE_CODE = 0;
/**
 * The cheapest frame that is answered: that an id has to be a text. Pings are not for browsers to send or see, and this
 * one is not counted among what its sender may ask for.
 */
const SIGN_OF_LIFE = { type: 'unsubscribe', id: '' };

/** True for an answer to the sign of life. */
export function isSignOfLife(frame: Frame): boolean {
  return frame.type === 'error' && frame.id === '';
}

/** An answer that will be the same the next time. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** Opens a connection: a browser cannot send a token with a WebSocket, so that it gets a ticket for it. */
export function openLine(options: LineOptions): Line {
  const { url, silenceMs } = options;
  const gone = new AbortController();
  let socket: Socket | undefined;
  let heardMs = performance.now();
  let askedMs: number | undefined;
  const watching = setInterval(watch, silenceMs / 4);

  function watch(): void {
    const nowMs = performance.now();
    // Asked first and then waited for: timers of a page in the background come late, and prove nothing.
    if (askedMs !== undefined && nowMs - askedMs > silenceMs / 2) {
      end('The server is silent.', NO_CLOSE_CODE);
    } else if (askedMs === undefined && nowMs - heardMs > silenceMs) {
      askedMs = nowMs;
      line.send(SIGN_OF_LIFE);
    }
  }

  function close(): void {
    gone.abort();
    clearInterval(watching);
    if (socket === undefined) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    // One that is closed while it connects has an error to tell, which nobody has to hear.
    socket.onerror = () => undefined;
    if (socket.terminate !== undefined) socket.terminate();
    else socket.close();
  }

  function end(reason: string, code: number, isFinal = false): void {
    if (gone.signal.aborted) return;
    close();
    options.ended(reason, code, isFinal);
  }

  function connect(ticket: string): void {
    if (gone.signal.aborted) return;
    const address = new URL(`/v1/tail?ticket=${encodeURIComponent(ticket)}`, url);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    socket = new options.WebSocket(address.href, 'tailrace.json');
    socket.onopen = () => {
      heard();
      options.opened();
    };
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      heard();
      const text = String(data);
      options.frame(JSON.parse(text) as Frame, text.length);
    };
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      end(reason || 'The connection was lost.', code, code === NOT_ALLOWED);
    };
  }

  function heard(): void {
    heardMs = performance.now();
    askedMs = undefined;
  }

  async function openWithTicket(): Promise<void> {
    const token = await options.token();
    line.token = token;
    const response = await fetch(new URL('/v1/tickets', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      signal: gone.signal,
    });
    const body = (await response.json()) as { readonly ticket?: string; readonly detail?: string };
    if (body.ticket !== undefined) connect(body.ticket);
    else end(body.detail ?? 'The server refused.', response.status, isRefusal(response.status));
  }

  const line: Line = {
    token: undefined,
    send(frame) {
      if (socket?.readyState === OPEN) socket.send(JSON.stringify(frame));
    },
    close,
  };
  openWithTicket().catch((cause: unknown) => {
    end(cause instanceof Error ? cause.message : String(cause), NO_CLOSE_CODE);
  });
  return line;
}
