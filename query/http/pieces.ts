// Sends an answer that is made while it is sent: the socket sets the pace, and what waits for it is bounded.
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import { chooseEncoding, type Encoding } from './negotiate.ts';
import type { PiecesReply } from './reply.ts';
import type { Request } from './request.ts';
import { type Exchange, endWithoutBody, writeHead } from './send.ts';

/** A client that takes nothing for so long has gone away without saying so, or wants to hold what is not its own. */
const STALLED_MS = 30_000;
/** Pieces are put together to so many bytes; about twice as many wait for the socket at most. */
const WRITE_BYTES = 128 * 1024;
/** Kept back of each write, to move the engine's buffer on with. */
const RESERVE_BYTES = 2 * 1024;
/** Of the compressors' own memory. */
const BROTLI_WINDOW_BITS = 20;

function compressor(encoding: Exclude<Encoding, 'identity'>) {
  if (encoding === 'gzip') return createGzip({ level: 4, chunkSize: WRITE_BYTES });
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 3,
    [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
  };
  return createBrotliCompress({ params, chunkSize: WRITE_BYTES });
}

/** The socket as something that takes pieces. */
interface Sink {
  /** Resolves when the next piece may come; rejects where the client is gone or stalled. */
  write(piece: Uint8Array | string): Promise<void>;
  end(): void;
}

function isGone(): Error {
  return new Error('the client went away');
}

/** Makes the sink of an exchange whose head is written. `charge` is told of every byte that is sent. */
function openSink(
  exchange: Exchange,
  charge: (bytes: number) => void,
  stalledMs: number,
): Sink & { gone(): void } {
  const { res } = exchange;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let reserve: Buffer = Buffer.alloc(0);
  let isFlowing = true;
  let waiter: { resolve(): void; reject(cause: unknown): void; timer: NodeJS.Timeout } | undefined;

  function put(bytes: Buffer): void {
    charge(bytes.length);
    res.cork(() => {
      isFlowing = res.write(bytes);
    });
  }

  // With a listener here the engine moves its buffer on only when something is written, and reports no offset for
  // chunked answers: so write one byte of what was kept back, and let that say whether the buffer is empty.
  res.onWritable(() => {
    waiter?.timer.refresh();
    if (reserve.length > 0) {
      put(reserve.subarray(0, 1));
      reserve = reserve.subarray(1);
    }
    if (isFlowing) waiter?.resolve();
    return true;
  });

  function drained(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        // Tells `gone` by way of the engine.
        if (!exchange.gone) res.close();
      }, stalledMs);
      waiter = { resolve, reject, timer };
    }).finally(() => {
      clearTimeout(waiter?.timer);
      waiter = undefined;
    });
  }

  return {
    async write(piece) {
      if (exchange.gone) throw isGone();
      const bytes =
        typeof piece === 'string'
          ? Buffer.from(piece)
          : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (waitingBytes < WRITE_BYTES) return;
      const all = Buffer.concat([reserve, ...waiting]);
      [waiting, waitingBytes] = [[], 0];
      put(all.subarray(0, -RESERVE_BYTES));
      reserve = all.subarray(-RESERVE_BYTES);
      if (!isFlowing) await drained();
      // A client that takes everything at once must not have the loop to itself.
      else await nextTurn();
      if (exchange.gone) throw isGone();
    },
    end() {
      if (exchange.gone) return;
      const rest = Buffer.concat([reserve, ...waiting]);
      charge(rest.length);
      res.cork(() => res.end(rest));
      exchange.finish();
    },
    gone: () => waiter?.reject(isGone()),
  };
}

async function writeAll(
  pieces: AsyncIterable<Uint8Array | string>,
  sink: Sink,
  encoding: Encoding,
): Promise<void> {
  const write = async (source: AsyncIterable<Uint8Array | string>) => {
    for await (const piece of source) await sink.write(piece);
  };
  if (encoding === 'identity') await write(pieces);
  else await pipeline(pieces, compressor(encoding), write);
}

/**
 * Sends an answer piece by piece; resolves when the last one is with the engine, or its client went away.
 *
 * @throws whatever the pieces throw, with the connection cut
 */
export async function sendPieces(
  exchange: Exchange,
  request: Request,
  reply: PiecesReply,
  common: Readonly<Record<string, string>>,
  charge: (bytes: number) => void,
  stalledMs = STALLED_MS,
): Promise<void> {
  const { res } = exchange;
  try {
    if (exchange.gone) return;
    const encoding = chooseEncoding(request.headers.get('accept-encoding'));
    const headers: Record<string, string> = { ...common, ...reply.headers };
    headers['Cache-Control'] = 'no-store';
    if (encoding !== 'identity') headers['Content-Encoding'] = encoding;
    res.cork(() => {
      writeHead(res, 200, headers);
      if (request.method === 'HEAD') endWithoutBody(exchange);
    });
    if (request.method === 'HEAD') return;
    const sink = openSink(exchange, charge, stalledMs);
    const { onGone } = exchange;
    exchange.onGone = () => {
      onGone?.();
      sink.gone();
    };
    await writeAll(reply.pieces, sink, encoding);
    sink.end();
  } catch (thrown) {
    if (exchange.gone) return;
    res.close();
    throw thrown;
  }
}
