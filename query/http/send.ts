// Writes an answer to the engine's response: ETag, compression, and as much at a time as the socket takes.
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { TailraceError } from '../../lib/errors.ts';
import type { Body } from './body.ts';
import type { HttpResponse } from './engine.ts';
import { chooseEncoding, type Encoding } from './negotiate.ts';
import type { ByteStream, Reply, StreamReply } from './reply.ts';
import type { Request } from './request.ts';

const compressBrotli = promisify(brotliCompress);
const compressGzip = promisify(gzip);

/** Below this an answer fits a packet or two, and compressing it only takes time. */
const COMPRESS_MIN_BYTES = 1_400;
/** Above this an answer is written as the socket takes it instead of being copied into the engine at once. */
const END_MAX_BYTES = 64 * 1024;

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** A response that may be gone: the engine allows no touch after its client went away. */
export interface Exchange {
  readonly res: HttpResponse;
  /** The client went away, or has been answered. */
  gone: boolean;
  /** Called once when the client goes away before the answer is complete. */
  onGone: (() => void) | undefined;
  /** Fires when the client goes away, or is answered that it took too long: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Fires the signal. */
  abandon(cause: Error): void;
  /** Resolves when the client has taken the whole answer, or went away. */
  readonly over: Promise<void>;
  finish(): void;
  /** Of a request that has one. */
  body: Body | undefined;
}

/** Has to be called before the engine's handler returns (uWebSockets.js#1296: else the process ends). */
export function beginExchange(res: HttpResponse): Exchange {
  let settle: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const abandoned = new AbortController();
  const exchange: Exchange = {
    ...{ res, over, gone: false, onGone: undefined, body: undefined, signal: abandoned.signal },
    abandon: (cause) => abandoned.abort(cause),
    finish() {
      exchange.gone = true;
      exchange.body?.discard();
      settle();
    },
  };
  res.onAborted(() => {
    exchange.finish();
    exchange.abandon(new TailraceError('client_gone', 'The client went away.'));
    exchange.onGone?.();
  });
  return exchange;
}

function etagOf(reply: Reply): string | undefined {
  if (reply.status !== 200) return undefined;
  const { etagOf: whole = reply.body } = reply;
  // SHA-1 and SHA-256 take a third of what MD5 and BLAKE2 do where the processor has instructions for them.
  const hash = createHash('sha1');
  for (const part of Array.isArray(whole) ? whole : [whole]) hash.update(part);
  // Weak: one tag for all encodings, and for bodies that differ by the decision's id only.
  return `W/"${hash.digest('base64url')}"`;
}

function isKnownTo(request: Request, etag: string): boolean {
  const known = request.headers.get('if-none-match');
  if (known === undefined) return false;
  if (known.trim() === '*') return true;
  // An opaque tag may be quoted back without its W/ (weak comparison, RFC 9110 8.8.3.2).
  return known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag.slice(2));
}

async function encode(body: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
  if (encoding === 'gzip') return compressGzip(body, { level: 4 });
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 3,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
  };
  return compressBrotli(body, { params });
}

interface Finished {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

async function finish(reply: Reply, request: Request): Promise<Finished> {
  const etag = etagOf(reply);
  const headers: Record<string, string> = { ...reply.headers };
  if (etag !== undefined) {
    headers.ETag = etag;
    headers['Cache-Control'] ??= 'no-cache';
    if (isKnownTo(request, etag)) return { status: 304, headers, body: '' };
  } else if (reply.status >= 400) {
    headers['Cache-Control'] = 'no-store';
  }
  const encoding = chooseEncoding(request.headers.get('accept-encoding'));
  if (encoding === 'identity' || reply.body.length < COMPRESS_MIN_BYTES) {
    return { status: reply.status, headers, body: reply.body };
  }
  const bytes = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  headers['Content-Encoding'] = encoding;
  return { status: reply.status, headers, body: await encode(bytes, encoding) };
}

/** Writes status and headers. */
export function writeHead(
  res: HttpResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
): void {
  res.writeStatus(`${status} ${REASONS[status] ?? 'Unknown'}`);
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) res.writeHeader(name, value);
  }
}

/** Ends an answer that has no body, or whose head alone was asked for. */
export function endWithoutBody(exchange: Exchange, reportedBytes?: number): void {
  // Told of an `undefined`, the engine writes a length of 2⁶³, with which Go's client refuses the answer.
  if (reportedBytes === undefined) exchange.res.endWithoutBody();
  else exchange.res.endWithoutBody(reportedBytes);
  exchange.finish();
}

function writeBody(exchange: Exchange, body: Uint8Array | string, closes: boolean): void {
  const { res } = exchange;
  if (body.length <= END_MAX_BYTES || closes) {
    res.end(body, closes);
    exchange.finish();
    return;
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  // The whole body is given again from the offset that the socket reached, until it has taken everything.
  const writeFrom = (offset: number): boolean => {
    const [ok, done] = res.tryEnd(bytes.subarray(offset), bytes.length);
    if (done) exchange.finish();
    return ok;
  };
  res.onWritable(writeFrom);
  writeFrom(0);
}

/**
 * Sends a whole answer; resolves with its bytes, as they are sent, once the first of them are with the engine.
 * `common` are the headers that every answer carries. A client that has not sent all of its body gets the answer when
 * it has, or the connection is closed behind the answer.
 */
export async function sendReply(
  exchange: Exchange,
  request: Request,
  reply: Reply,
  common: Readonly<Record<string, string>>,
): Promise<number> {
  const { status, headers, body } = await finish(reply, request);
  const closes = exchange.body !== undefined && !(await exchange.body.linger());
  if (exchange.gone) return 0;
  const bytes = Buffer.byteLength(body);
  const isEmpty = status === 204 || status === 304;
  exchange.res.cork(() => {
    writeHead(exchange.res, status, { ...common, ...headers });
    if (isEmpty) endWithoutBody(exchange);
    else if (request.method === 'HEAD') endWithoutBody(exchange, bytes);
    else writeBody(exchange, body, closes);
  });
  return isEmpty || request.method === 'HEAD' ? 0 : bytes;
}

/** Sends the head of a streamed answer and hands the writing end over. */
export function openStream(
  exchange: Exchange,
  request: Request,
  reply: StreamReply,
  common: Readonly<Record<string, string>>,
): void {
  if (exchange.gone) {
    reply.abandon();
    return;
  }
  const { res } = exchange;
  if (request.method === 'HEAD') {
    reply.abandon();
    res.cork(() => {
      writeHead(res, 200, { ...common, ...reply.headers });
      endWithoutBody(exchange);
    });
    return;
  }
  const { stream, closed } = byteStream(exchange);
  exchange.onGone = closed;
  res.cork(() => writeHead(res, 200, { ...common, ...reply.headers }));
  try {
    reply.open(stream);
  } catch (thrown) {
    reply.abandon();
    throw thrown;
  }
}

/** A byte that means nothing in an event stream, for when only the engine's buffer is to be moved on. */
const NOTHING = ':\n\n';

function byteStream(exchange: Exchange): { stream: ByteStream; closed: () => void } {
  const { res } = exchange;
  let ended = false;
  let flowing = true;
  let takes = 0;
  const closers: (() => void)[] = [];
  const drains: (() => void)[] = [];

  function closed(): void {
    ended = true;
    for (const closer of closers.splice(0)) closer();
  }

  function write(text: string): void {
    if (ended || exchange.gone) return;
    res.cork(() => {
      flowing = res.write(text);
    });
  }

  // With a listener here the engine moves its buffer on only when something is written, and reports no offset for
  // chunked answers: so write a comment, and let what it returns say whether the buffer is empty.
  res.onWritable(() => {
    takes += 1;
    write(NOTHING);
    if (flowing) for (const drain of drains) drain();
    return true;
  });

  const stream: ByteStream = {
    write,
    flowing: () => flowing,
    takes: () => takes,
    onDrain: (listener) => void drains.push(listener),
    onClosed: (listener) => void closers.push(listener),
    end() {
      if (ended || exchange.gone) return;
      res.cork(() => res.end());
      exchange.finish();
      closed();
    },
    abort() {
      if (!exchange.gone) res.close();
    },
  };
  return { stream, closed };
}
