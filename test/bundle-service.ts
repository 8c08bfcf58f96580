// A bundle service as OPA has it, on a port of the system's choice: ETags, long polling if asked to, and ways to fail.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface BundleService {
  readonly url: string;
  readonly requests: { readonly headers: IncomingMessage['headers']; readonly status: number }[];
  /** What it serves from now on; undefined: 404. */
  serve(packed: Uint8Array | undefined): void;
  /** Answers everything so from now on; undefined: as it should. */
  answer(other: ((request: IncomingMessage, response: ServerResponse) => void) | undefined): void;
  /** Stops listening, as a service that is away; the port stays its own to `start` again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts it. With `longPolls` it holds back a request with `wait` until there is something new. */
export async function startBundleService(
  options: { readonly longPolls?: boolean; readonly token?: string } = {},
): Promise<BundleService> {
  const requests: BundleService['requests'] = [];
  let bundle: { readonly packed: Uint8Array; readonly etag: string } | undefined;
  let other: Parameters<BundleService['answer']>[0];
  let waiting: (() => void)[] = [];

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { headers } = request;
    const { token } = options;
    const reply = (status: number, body?: Uint8Array) => {
      requests.push({ headers, status });
      const type = options.longPolls
        ? 'application/vnd.openpolicyagent.bundles'
        : 'application/gzip';
      if (status === 200) response.setHeader('content-type', type);
      if (bundle !== undefined) response.setHeader('etag', bundle.etag);
      response.writeHead(status).end(body);
    };
    if (other !== undefined) {
      requests.push({ headers, status: 0 });
      other(request, response);
    } else if (token !== undefined && headers.authorization !== `Bearer ${token}`) reply(401);
    else if (bundle === undefined) reply(404);
    else if (headers['if-none-match'] !== bundle.etag) reply(200, bundle.packed);
    else if (options.longPolls && String(headers.prefer).includes('wait=')) {
      waiting.push(() => handle(request, response));
    } else reply(304);
  }

  function letGo(): void {
    const held = waiting;
    waiting = [];
    for (const answer of held) answer();
  }

  const server = createServer(handle);
  async function listen(port: number): Promise<number> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  const port = await listen(0);
  return {
    url: `http://127.0.0.1:${port}/bundles/plant.tar.gz`,
    requests,
    serve(packed) {
      const digest = packed && createHash('sha256').update(packed).digest('hex').slice(0, 16);
      bundle = packed && { packed, etag: `"${digest}"` };
      letGo();
    },
    answer(next) {
      other = next;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      waiting = [];
      await closed;
    },
    start: async () => void (await listen(port)),
  };
}
