// Bodies as they come in. None is kept longer than somebody waits for it, nor more of them at a time than fits; whoever
// sends one too slowly, or goes on with one that nobody wants, loses the connection.
import { TailraceError } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { HttpResponse } from './engine.ts';
import type { Request } from './request.ts';

/** Contract: 413 above this. */
const BODY_MAX_BYTES = 16 * 1024 * 1024;
/** Of all bodies that are held at a time. */
const BODIES_MAX_BYTES = 256 * 1024 * 1024;
/** 16 MB within it take 4.5 Mbit/s. The engine itself gives up below 16 KB/s. */
const RECEIVE_MAX_MS = 30_000;
/** How long a client may go on with what nobody wants. To be cut off at once is to lose the answer that says why. */
const LINGER_MS = 1_000;

/** A body that is coming in. */
export interface Body {
  /**
   * The whole of it.
   * @throws TailraceError `body_too_large`, `request_timeout`, `overloaded`; `bad_request` where it was given up.
   */
  readonly whole: Promise<Uint8Array>;
  /** Forgets what came, and whatever still comes. */
  discard(): void;
  /** Discards it, and waits a moment for its end. True where it came: the connection may be used further. */
  linger(): Promise<boolean>;
}

export interface Bodies {
  /** Begins to receive; has to be called before the engine's handler returns, or the first bytes are lost. */
  receive(res: HttpResponse, request: Request): Body;
}

export interface BodiesOptions {
  readonly metrics: Metrics;
  readonly heldMaxBytes?: number | undefined;
  readonly receiveMaxMs?: number | undefined;
}

/** Bytes of bodies in memory. */
interface Memory {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** Makes what receives bodies, with one bound on the memory of all. */
export function createBodies(options: BodiesOptions): Bodies {
  const { metrics, heldMaxBytes = BODIES_MAX_BYTES, receiveMaxMs = RECEIVE_MAX_MS } = options;
  let heldBytes = 0;
  metrics.bounded('request_bodies_bytes', () => heldBytes, heldMaxBytes);
  const memory: Memory = {
    take(bytes) {
      if (heldBytes + bytes > heldMaxBytes) return false;
      heldBytes += bytes;
      return true;
    },
    give(bytes) {
      heldBytes -= bytes;
    },
  };
  return { receive: (res, request) => receive(res, request, memory, receiveMaxMs) };
}

function tooLarge(): TailraceError {
  return new TailraceError('body_too_large', `A body may have ${BODY_MAX_BYTES} bytes at most.`);
}

function receive(res: HttpResponse, request: Request, memory: Memory, receiveMaxMs: number): Body {
  let chunks: Buffer[] | undefined = [];
  let heldBytes = 0;
  let isOver = false;
  const whole = settler<Uint8Array>();
  const over = settler<void>();
  // Where the answer does not wait for the body, nobody else looks at its failure.
  whole.promise.catch(() => undefined);
  const deadline = setTimeout(() => {
    fail(
      new TailraceError('request_timeout', `The body took more than ${receiveMaxMs / 1_000} s.`),
    );
  }, receiveMaxMs);

  function fail(error: TailraceError): void {
    clearTimeout(deadline);
    chunks = undefined;
    memory.give(heldBytes);
    heldBytes = 0;
    whole.reject(error);
  }

  function keep(kept: Buffer[], chunk: ArrayBuffer): void {
    if (heldBytes + chunk.byteLength > BODY_MAX_BYTES) fail(tooLarge());
    else if (memory.take(chunk.byteLength)) {
      heldBytes += chunk.byteLength;
      // A copy: the engine takes the memory back when this function returns.
      kept.push(Buffer.from(new Uint8Array(chunk)));
    } else fail(new TailraceError('overloaded', 'Too many bodies come in at the moment.'));
  }

  if (Number(request.headers.get('content-length')) > BODY_MAX_BYTES) fail(tooLarge());
  res.onData((chunk, isLast) => {
    if (chunks !== undefined) keep(chunks, chunk);
    if (!isLast) return;
    isOver = true;
    clearTimeout(deadline);
    over.resolve();
    if (chunks !== undefined) whole.resolve(Buffer.concat(chunks));
  });

  const discard = () => fail(new TailraceError('bad_request', 'The body was given up.'));
  return {
    whole: whole.promise,
    discard,
    async linger() {
      discard();
      if (!isOver) await Promise.race([over.promise, whenPast(LINGER_MS)]);
      return isOver;
    },
  };
}

function whenPast(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

interface Settler<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** A promise and what settles it (Promise.withResolvers comes with Node 22). */
function settler<T>(): Settler<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
