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

/** How a line ended. */
export interface LineEnd {
  readonly reason: string;
  /** A close code, an HTTP status, or 0 where this side ended it: it was silent, or never came to be. */
  readonly code: number;
  /** The server's own code for an HTTP status. */
  readonly problem?: string | undefined;
  /** Trying again would not help. */
  readonly isFinal: boolean;
  /** For so long nothing was heard before it was given up; absent where the end itself was told. */
  readonly silentMs?: number;
}

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
  /** The end, told once, unless it was closed from here. */
  readonly ended: (end: LineEnd) => void;
}

export interface Line {
  /** The token that it was opened with, or brought last. */
  token: string | undefined;
  /** Sends where it is open, and does nothing where it is not. Says whether it was. */
  send(frame: object): boolean;
  close(): void;
}

const OPEN = 1;
const NOT_ALLOWED = 4403;
const UNAUTHORIZED = 401;

/** Whether a frame answers a token that was brought. */
function answersToken(frame: Frame): boolean {
  return frame.type === 'reauthed' || (frame.type === 'error' && frame.id === undefined);
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
  /** An answer is to come that nobody else asked for. */
  let isAnswerDue = false;
  const watching = setInterval(watch, silenceMs / 4);

  function watch(): void {
    const nowMs = performance.now();
    // Asked first and then waited for: timers of a page in the background come late, and prove nothing.
    if (askedMs !== undefined && nowMs - askedMs > silenceMs / 2) {
      const silentMs = nowMs - heardMs;
      end({ reason: 'The server is silent.', code: 0, isFinal: false, silentMs });
    } else if (askedMs === undefined && nowMs - heardMs > silenceMs) {
      askedMs = nowMs;
      // Browsers neither send nor show pings. Whether the token still holds is a question that is always answered.
      isAnswerDue = line.send({ type: 'reauth', token: line.token });
    }
  }

  function heard(): void {
    heardMs = performance.now();
    askedMs = undefined;
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

  function end(how: LineEnd): void {
    if (gone.signal.aborted) return;
    close();
    options.ended(how);
  }

  function arrived(text: string): void {
    heard();
    const frame = JSON.parse(text) as Frame;
    if (isAnswerDue && answersToken(frame)) isAnswerDue = false;
    else options.frame(frame, text.length);
  }

  function connect(ticket: string): void {
    const address = new URL(`/v1/tail?ticket=${encodeURIComponent(ticket)}`, url);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    socket = new options.WebSocket(address.href, 'tailrace.json');
    socket.onopen = () => {
      heard();
      options.opened();
    };
    socket.onmessage = ({ data }: { readonly data: unknown }) => arrived(String(data));
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      end({ reason: reason || 'The connection was lost.', code, isFinal: code === NOT_ALLOWED });
    };
  }

  async function openWithTicket(): Promise<void> {
    const token = await options.token();
    line.token = token;
    const answer = await askTicket(url, token, gone.signal);
    if (gone.signal.aborted) return;
    if (typeof answer === 'string') connect(answer);
    // Refused for a token that was renewed meanwhile: trying again helps.
    else if (answer.code === UNAUTHORIZED && (await options.token()) !== token) {
      end({ ...answer, isFinal: false });
    } else end(answer);
  }

  const line: Line = {
    token: undefined,
    send(frame) {
      if (socket?.readyState !== OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close,
  };
  openWithTicket().catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    end({ reason, code: 0, isFinal: false });
  });
  return line;
}

interface TicketAnswer {
  readonly ticket?: string;
  readonly detail?: string;
  readonly code?: string;
}

/** A ticket for a token, or why there is none. Rejects where the server cannot be reached. */
async function askTicket(
  url: string,
  token: string,
  signal: AbortSignal,
): Promise<string | LineEnd> {
  const headers = { authorization: `Bearer ${token}` };
  const asked = fetch(new URL('/v1/tickets', url), { method: 'POST', headers, signal });
  const answer = await asked.catch((cause: unknown) => {
    throw new Error('The server cannot be reached.', { cause });
  });
  // A proxy before the server speaks no JSON.
  const body = (await answer.json().catch(() => ({}))) as TicketAnswer;
  if (body.ticket !== undefined) return body.ticket;
  const { status } = answer;
  const reason = body.detail ?? `The server answered ${status}.`;
  return { reason, code: status, problem: body.code, isFinal: isRefusal(status) };
}
