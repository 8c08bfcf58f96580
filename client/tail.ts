// Follows series live, for browsers and Node: `for await (const frame of tail({ … }))`. A connection that breaks comes
// back where it left off, and only a refusal or the caller ends it. docs/client.md shows how it is used.
import { createFollower } from './follower.ts';
import { createFrameQueue } from './frame-queue.ts';
import type { Frame } from './frames.ts';
import type { SocketClass } from './line.ts';
import type { TailState } from './tail-state.ts';

type Parameter = string | number | readonly (string | number)[];

interface CommonOptions {
  /** Of the server: `https://tailrace.example`. Of several each is tried in turn. */
  readonly url: string | readonly string[];
  /** Asked for at each connection, and shortly before the one in use is over. */
  readonly token: () => string | Promise<string>;
  /** Range parameters of the history to begin with, as `/v1/range` has them: `{ start: 'now-1h', points: 'raw' }`. */
  readonly snapshot?: Readonly<Record<string, Parameter>>;
  /** The cursor of a range answer, or of a tail that was followed before. */
  readonly since?: string;
  /** Most frames a second; the newest point of each series is sent, and the others are counted as dropped. */
  readonly maxHz?: number;
  readonly signal?: AbortSignal;
  readonly onState?: (state: TailState) => void;
  /** Where there is none of the platform's own, as in Node 20: that of the package `ws`. */
  readonly WebSocket?: SocketClass;
  /** A server that is silent for so long is asked for a sign of life; one and a half times that is the end. In ms. */
  readonly silenceMs?: number;
}

export type TailOptions = CommonOptions &
  (
    | { readonly series: readonly (string | number)[]; readonly match?: never }
    | { readonly match: string; readonly series?: never }
  );

export interface Tail extends AsyncIterable<Frame> {
  readonly state: TailState;
  /** What to give as `since` to go on behind the last frame that was handed on. */
  readonly cursor: string | undefined;
  /** Tries again now, where it is offline. */
  retry(): void;
  /** Asks for the token now, and goes on under it where it is another. */
  renew(): void;
}

/** What waits for a slow reader, in characters of JSON. */
const WAITING_MAX = 32 * 1024 * 1024;
const SILENCE_MS = 20_000;

/**
 * Makes a tail, which connects when its first frame is asked for, and can be gone through once. It ends quietly when
 * `signal` fires or the loop is left.
 *
 * @throws TailError while it is gone through, where the server refuses for good: 4403, 401, 403, `unknown_series`,
 *   `bad_parameter` and the like.
 */
export function tail(options: TailOptions): Tail {
  const { signal, since, silenceMs = SILENCE_MS, WebSocket = platformWebSocket() } = options;
  const queue = createFrameQueue(WAITING_MAX, () => follower.retry());
  const follower = createFollower({ ...options, silenceMs, WebSocket, queue });
  let handedOn = since;

  async function* frames(): AsyncGenerator<Frame, void> {
    if (signal?.aborted) return;
    signal?.addEventListener('abort', follower.stop, { once: true });
    try {
      follower.start();
      for (;;) {
        const next = await queue.take();
        if (next === undefined) return;
        handedOn = next.cursor;
        yield next.frame;
      }
    } finally {
      signal?.removeEventListener('abort', follower.stop);
      follower.stop();
    }
  }

  const iterator = frames();
  return {
    get state() {
      return follower.state;
    },
    get cursor() {
      return handedOn;
    },
    retry: follower.retry,
    renew: follower.renew,
    [Symbol.asyncIterator]: () => iterator,
  };
}

function platformWebSocket(): SocketClass {
  const { WebSocket } = globalThis as { readonly WebSocket?: SocketClass };
  if (WebSocket !== undefined) return WebSocket;
  throw new Error(
    'There is no WebSocket here: give one as WebSocket, such as that of the package ws.',
  );
}
