// The live connection: a WebSocket with one subscription, which comes back by itself where it left off.
import { type Api, ApiError } from './api.ts';
import { nextTailState, type TailEvent, type TailState } from './tail-state.ts';
import type { TailBucket, TailFrame, TailPoint } from './wire.ts';

export interface TailListener {
  state(state: TailState): void;
  points(points: readonly TailPoint[]): void;
  buckets(buckets: readonly TailBucket[]): void;
  /** Points were not sent, now or since the cursor: only a new range shows them. */
  gap(): void;
  /** The token of this connection ends soon. */
  tokenEnds(): void;
}

export interface Tail {
  /** Follows these series from a range's cursor; replaces what was followed before. */
  follow(ids: readonly number[], cursor: string): void;
  stop(): void;
  /** Tries again now. */
  retry(): void;
  /** Goes on under a newer token of the same bearer, over the same connection. */
  renew(token: string): void;
}

/** No frame for this long after subscribing also means that nothing was missed. */
const CAUGHT_UP_MS = 250;

interface Subscription {
  readonly id: string;
  readonly ids: readonly number[];
  cursor: string;
}

/** Makes a tail that is off. */
export function createTail(api: Api, listener: TailListener): Tail {
  let state: TailState = { kind: 'off' };
  let line: Line | undefined;
  let subscription: Subscription | undefined;
  let timer: number | undefined;
  let count = 0;
  /** A token that came while the connection was being made with the one before. */
  let newer: string | undefined;

  function tell(event: TailEvent): void {
    const next = nextTailState(state, event);
    if (next === state) return;
    state = next;
    window.clearTimeout(timer);
    if (state.kind === 'off' || state.kind === 'refused') hangUp();
    if (state.kind === 'connecting') {
      newer = undefined;
      line = dial(api, { opened, closed, frame });
    }
    if (state.kind === 'offline') {
      timer = window.setTimeout(() => tell({ kind: 'retry' }), state.retryInMs);
    }
    listener.state(state);
  }

  function hangUp(): void {
    line?.close();
    line = undefined;
  }

  function opened(): void {
    tell({ kind: 'opened' });
    if (newer !== undefined) line?.send({ type: 'reauth', token: newer });
    if (subscription !== undefined) line?.send(subscribe(subscription));
  }

  function closed(code: number, reason: string): void {
    line = undefined;
    tell({ kind: 'closed', code, reason, spread: Math.random() });
  }

  function frame(frame: TailFrame): void {
    if (frame.type === 'warning' && frame.code === 'token_expiring') listener.tokenEnds();
    if (frame.type === 'bye' || !('id' in frame) || frame.id !== subscription?.id) return;
    if (frame.type === 'error') {
      hangUp();
      closed(4000, frame.detail);
      return;
    }
    subscription.cursor = frame.cursor;
    if (frame.type === 'subscribed') {
      if (frame.recovered === false) listener.gap();
      timer = window.setTimeout(() => tell({ kind: 'caught up' }), CAUGHT_UP_MS);
    } else if (frame.type === 'data') {
      listener.points(frame.points);
      if (frame.dropped > 0) listener.gap();
      tell({ kind: 'caught up' });
      tell({ kind: 'data' });
    } else {
      listener.buckets(frame.buckets);
      tell({ kind: 'summary' });
    }
  }

  return {
    follow(ids, cursor) {
      const before = subscription;
      subscription = { id: `s${++count}`, ids, cursor };
      if (before !== undefined) line?.send({ type: 'unsubscribe', id: before.id });
      line?.send(subscribe(subscription));
      tell({ kind: 'start' });
    },
    stop() {
      subscription = undefined;
      tell({ kind: 'stop' });
    },
    retry() {
      if (state.kind === 'offline') tell({ kind: 'retry' });
    },
    renew(token) {
      newer = token;
      line?.send({ type: 'reauth', token });
    },
  };
}

function subscribe({ id, ids, cursor }: Subscription): object {
  // No max_hz: it would leave points out, and the line is to be the line of all points.
  return { type: 'subscribe', id, series: ids.map(String), since: cursor };
}

/** One connection, from its ticket to its end. It tells nothing more once it was closed from here. */
interface Line {
  /** Sends where it is open, and does nothing where it is not. */
  send(frame: object): void;
  close(): void;
}

interface LineEvents {
  opened(): void;
  closed(code: number, reason: string): void;
  frame(frame: TailFrame): void;
}

function dial(api: Api, events: LineEvents): Line {
  let socket: WebSocket | undefined;
  let over = false;

  function connect(ticket: string): void {
    if (over) return;
    const url = new URL(`/v1/tail?ticket=${encodeURIComponent(ticket)}`, window.location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    socket = new WebSocket(url, 'tailrace.json');
    socket.addEventListener('open', () => {
      if (!over) events.opened();
    });
    socket.addEventListener('message', (message) => {
      if (!over) events.frame(JSON.parse(String(message.data)) as TailFrame);
    });
    socket.addEventListener('close', (event) => {
      end(event.code, event.reason || 'The connection was lost.');
    });
  }

  function end(code: number, reason: string): void {
    if (over) return;
    over = true;
    events.closed(code, reason);
  }

  api.ticket().then(connect, (cause: unknown) => {
    const status = cause instanceof ApiError ? cause.status : 0;
    end(status, cause instanceof Error ? cause.message : String(cause));
  });
  return {
    send(frame) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
    },
    close() {
      over = true;
      socket?.close(1000);
    },
  };
}
