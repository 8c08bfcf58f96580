// A request as plain data. The engine's own object dies when its handler returns, so everything is copied at once.
import { TailraceError } from '../../lib/errors.ts';
import type { HttpRequest as EngineRequest, HttpResponse } from './engine.ts';

/** Contract: 414 and 431 above this. */
const URL_MAX_BYTES = 16 * 1024;
const HEADERS_MAX_BYTES = 16 * 1024;

export interface Request {
  /** In capitals. */
  readonly method: string;
  /** As it came, not decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in small letters; of several with one name the values joined as RFC 9110 says. */
  readonly headers: ReadonlyMap<string, string>;
  /** Address of the other end of the connection. */
  readonly peer: string;
  readonly urlBytes: number;
  readonly headerBytes: number;
  /** Of a POST, once it has been read. */
  readonly body?: Uint8Array;
}

/** Copies what the engine lends. */
export function copyRequest(res: HttpResponse, req: EngineRequest): Request {
  const headers = new Map<string, string>();
  let headerBytes = 0;
  req.forEach((name, value) => {
    headerBytes += name.length + value.length + 4;
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  const path = req.getUrl();
  // The older build answers undefined where there is no query.
  const rawQuery = req.getQuery() ?? '';
  return {
    method: req.getMethod().toUpperCase(),
    path,
    query: new URLSearchParams(rawQuery),
    headers,
    peer: Buffer.from(res.getRemoteAddressAsText()).toString('latin1'),
    urlBytes: path.length + 1 + rawQuery.length,
    headerBytes,
  };
}

/** Refuses what is larger than the contract allows. */
export function checkSizes(request: Request): void {
  if (request.urlBytes > URL_MAX_BYTES) {
    throw new TailraceError(
      'uri_too_long',
      `The URL may have ${URL_MAX_BYTES} bytes; shorten the list of series or use match.`,
    );
  }
  if (request.headerBytes > HEADERS_MAX_BYTES) {
    throw new TailraceError(
      'headers_too_large',
      `The headers may have ${HEADERS_MAX_BYTES} bytes together.`,
    );
  }
}

/** Whether an address as the engine writes it (IPv6 in full) is of this machine's loopback. */
export function isLoopback(address: string): boolean {
  return (
    /^127\.\d+\.\d+\.\d+$/.test(address) ||
    address === '::1' ||
    address === '0000:0000:0000:0000:0000:0000:0000:0001' ||
    /^0000:0000:0000:0000:0000:ffff:7f[0-9a-f]{2}:[0-9a-f]{4}$/.test(address)
  );
}
