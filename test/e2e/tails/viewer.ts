// A client of a live tail for the oracle: it writes down every frame, reads or does not read, breaks off, and goes on
// from the last cursor that it saw. What the frames mean is for the oracle to say.
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { pack, unpack } from 'msgpackr';
import WebSocket from 'ws';
import { decodeCursor, type Position } from '../../../lib/feed/feed.ts';
import type { Frame } from '../../tail-client.ts';

export const WIRES = ['tailrace.json', 'tailrace.msgpack', 'sse'] as const;
export type Wire = (typeof WIRES)[number];

export interface Order {
  readonly wire: Wire;
  /** Either names or a selector. */
  readonly choice: { readonly series: readonly string[] } | { readonly match: string };
  readonly maxHz: number | undefined;
  /** Range parameters. */
  readonly snapshot: Readonly<Record<string, string>>;
}

/** What came, in order; `left` where the client broke off of its own accord, or began again. */
export type Event =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'left' }
  | { readonly kind: 'ended' };

export interface Viewer {
  readonly order: Order;
  readonly events: readonly Event[];
  /** Up to here it has been sent everything; undefined before its snapshot. */
  readonly position: Position | undefined;
  readonly isOpen: boolean;
  /** Connects and subscribes, from where it stood; does nothing where it is open. */
  open(url: string, bearer: string): void;
  /** Over the same connection: subscribes anew, without a cursor. */
  subscribeAnew(): void;
  /** Breaks off. */
  leave(): void;
  pause(): void;
  resume(): void;
}

interface Line {
  pause(): void;
  resume(): void;
  end(): void;
  /** Sends a frame, where the line takes any. */
  send?(frame: Frame): void;
}

interface Listener {
  frame(frame: Frame): void;
  ended(): void;
}

const ID = 'a';

function openSocket(
  url: string,
  bearer: string,
  order: Order,
  since: string | undefined,
  listener: Listener,
): Line {
  const headers = { authorization: `Bearer ${bearer}` };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/tail`, order.wire, { headers });
  const send = (frame: Frame) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(order.wire === 'tailrace.json' ? JSON.stringify(frame) : pack(frame));
  };
  let isPaused = false;
  socket.on('open', () => {
    send(subscribeFrame(order, since));
    if (isPaused) socket.pause();
  });
  socket.on('message', (data: Buffer, isBinary) =>
    listener.frame(isBinary ? unpack(data) : JSON.parse(data.toString())),
  );
  socket.on('error', () => undefined);
  socket.on('close', () => listener.ended());
  return {
    send,
    pause() {
      isPaused = true;
      socket.pause();
    },
    resume() {
      isPaused = false;
      socket.resume();
    },
    end: () => socket.terminate(),
  };
}

function subscribeFrame({ choice, snapshot, maxHz }: Order, since: string | undefined): Frame {
  const paced = maxHz === undefined ? {} : { max_hz: maxHz };
  const resumed = since === undefined ? {} : { since };
  return { type: 'subscribe', id: ID, ...choice, snapshot, ...paced, ...resumed };
}

function streamQuery({ choice, snapshot, maxHz }: Order): URLSearchParams {
  const query = new URLSearchParams(snapshot);
  if ('match' in choice) query.append('match', choice.match);
  else for (const name of choice.series) query.append('series', name);
  if (maxHz !== undefined) query.append('max_hz', String(maxHz));
  return query;
}

/** Reads events off a response. */
function readEvents(response: IncomingMessage, listener: Listener): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data !== undefined) listener.frame(JSON.parse(data));
    }
  });
}

function openEvents(
  url: string,
  bearer: string,
  order: Order,
  since: string | undefined,
  listener: Listener,
): Line {
  const resumed = since === undefined ? {} : { 'last-event-id': since };
  const headers = {
    authorization: `Bearer ${bearer}`,
    accept: 'text/event-stream',
    ...resumed,
  };
  let isPaused = false;
  let response: IncomingMessage | undefined;
  const asked: ClientRequest = request(`${url}/v1/tail?${streamQuery(order)}`, {
    headers,
    agent: false,
  });
  asked.on('response', (answer) => {
    response = answer;
    if (answer.statusCode !== 200) throw new Error(`a stream was refused: ${answer.statusCode}`);
    readEvents(answer, listener);
    if (isPaused) answer.pause();
  });
  asked.on('error', () => undefined);
  asked.on('close', () => listener.ended());
  asked.end();
  return {
    pause() {
      isPaused = true;
      response?.pause();
    },
    resume() {
      isPaused = false;
      response?.resume();
    },
    end: () => void asked.destroy(),
  };
}

/** Makes a viewer that is not open yet. */
export function createViewer(order: Order): Viewer {
  const events: Event[] = [];
  let line: Line | undefined;
  let cursor: string | undefined;

  function note(frame: Frame): void {
    events.push({ kind: 'frame', frame });
    if (frame.type === 'subscribed') cursor = frame.recovered ? frame.cursor : undefined;
    else if (frame.type === 'snapshot') cursor = subscribedCursor();
    else if (frame.cursor !== undefined) cursor = frame.cursor;
  }

  /** Where the subscription that the newest snapshot is of begins. */
  function subscribedCursor(): string | undefined {
    const isSubscribed = (event: Event) =>
      event.kind === 'frame' && event.frame.type === 'subscribed';
    const last = events.findLast(isSubscribed);
    return last?.kind === 'frame' ? last.frame.cursor : undefined;
  }

  function open(url: string, bearer: string): void {
    if (line !== undefined) return;
    const own: { line?: Line } = {};
    // What comes of a line that was left is not heard any more.
    const isCurrent = () => line !== undefined && own.line === line;
    const listener: Listener = {
      frame: (frame) => void (isCurrent() && note(frame)),
      ended() {
        if (!isCurrent()) return;
        line = undefined;
        events.push({ kind: 'ended' });
      },
    };
    const connect = order.wire === 'sse' ? openEvents : openSocket;
    own.line = connect(url, bearer, order, cursor, listener);
    line = own.line;
  }

  return {
    order,
    events,
    open,
    get position() {
      return cursor === undefined ? undefined : decodeCursor(cursor);
    },
    get isOpen() {
      return line !== undefined;
    },
    subscribeAnew() {
      line?.send?.({ type: 'unsubscribe', id: ID });
      line?.send?.(subscribeFrame(order, undefined));
    },
    leave() {
      const left = line;
      if (left === undefined) return;
      line = undefined;
      events.push({ kind: 'left' });
      left.end();
    },
    pause: () => line?.pause(),
    resume: () => line?.resume(),
  };
}
