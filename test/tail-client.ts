// Clients of live tails for tests: a WebSocket or an event stream, whose frames are waited for by their type.
import { pack, unpack } from 'msgpackr';
import WebSocket from 'ws';

// biome-ignore lint/suspicious/noExplicitAny: tests look into frames freely
export type Frame = any;

export interface TailClient {
  readonly socket: WebSocket;
  send(frame: Frame): void;
  /** The next frame, of a type if one is given, that no earlier call was given. */
  next(type?: string): Promise<Frame>;
  /** Frames of these types that came and were given to nobody. */
  left(...types: string[]): Frame[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

interface Inbox {
  put(frame: Frame): void;
  next(type?: string): Promise<Frame>;
  left(...types: string[]): Frame[];
}

function createInbox(): Inbox {
  const frames: Frame[] = [];
  const waiting: { type: string | undefined; give: (frame: Frame) => void }[] = [];
  return {
    left: (...types) => frames.filter((frame) => types.includes(frame.type)),
    put(frame) {
      const at = waiting.findIndex(({ type = frame.type }) => type === frame.type);
      if (at < 0) frames.push(frame);
      else waiting.splice(at, 1)[0]?.give(frame);
    },
    next: (type) =>
      new Promise((give) => {
        const at = frames.findIndex((frame) => type === undefined || frame.type === type);
        if (at < 0) waiting.push({ type, give });
        else give(frames.splice(at, 1)[0]);
      }),
  };
}

export interface ConnectOptions {
  readonly url: string;
  readonly bearer?: string;
  /** Of the URL, with its question mark. */
  readonly query?: string;
  readonly protocol?: string;
}

/** Opens a WebSocket; rejects with the answer's `status` where it is refused. The caller terminates `socket`. */
export async function connectTail(options: ConnectOptions): Promise<TailClient> {
  const { url, bearer, query = '', protocol = 'tailrace.json' } = options;
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const address = `${url.replace('http', 'ws')}/v1/tail${query}`;
  const socket = new WebSocket(address, protocol, { headers });
  const inbox = createInbox();
  socket.on('message', (data: Buffer, isBinary) =>
    inbox.put(isBinary ? unpack(data) : JSON.parse(data.toString())),
  );
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('unexpected-response', (_, response) =>
      reject(Object.assign(new Error('refused'), { status: response.statusCode })),
    );
    socket.on('error', reject);
  });
  return {
    socket,
    closed,
    next: inbox.next,
    left: inbox.left,
    send: (frame) =>
      socket.send(protocol === 'tailrace.msgpack' ? pack(frame) : JSON.stringify(frame)),
  };
}

export interface StreamClient {
  readonly response: Response;
  /** The next frame, of a type if one is given; `eventId` is its `id:` line. */
  next(type?: string): Promise<Frame>;
  abort(): void;
}

/** Opens an event stream. The caller aborts it. */
export async function openStream(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<StreamClient> {
  const abort = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: abort.signal,
  });
  const inbox = createInbox();
  async function read(): Promise<void> {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        const eventId = /^id: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) inbox.put({ ...JSON.parse(data), eventId });
      }
    }
  }
  // An aborted stream rejects, and that is what was asked for.
  read().catch(() => undefined);
  return { response, next: inbox.next, abort: () => abort.abort() };
}
