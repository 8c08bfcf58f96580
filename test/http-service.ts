// The HTTP half of the query server on a port of its own, with routes that a test makes up: real engine, real tokens,
// real policy, and no database.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../lib/config.ts';
import { TailraceError } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { createTokenVerifier, type TokenProfile } from '../policies/tokens/verifier.ts';
import { createAuthority } from '../query/authority.ts';
import { createApp, listenAlone, loadEngine } from '../query/http/engine.ts';
import { createRegistry, type Route } from '../query/http/routes.ts';
import { createService } from '../query/http/serve.ts';
import { type Accepted, serveWebSockets } from '../query/http/websocket.ts';
import { type Amounts, amountsOf } from '../query/limits/amounts.ts';
import { createLimits, type Limits } from '../query/limits/limits.ts';

const PROFILE: TokenProfile = {
  issuers: ['test'],
  audiences: ['test'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};

export interface HttpService {
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly limits: Limits;
  /** A viewer's unless said otherwise. */
  token(tenant: string, subject: string, more?: TokenExtras): Promise<string>;
  /** A ticket in the place of a token. */
  ticketFor(token: string): Promise<string>;
  stop(): Promise<void>;
}

export interface TokenExtras {
  readonly roles?: string[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

export interface HttpServiceOptions {
  readonly routes: readonly Route[];
  /** Takes WebSockets at `/socket`. */
  readonly accept?: () => Promise<Accepted>;
  readonly messageMaxBytes?: number;
  readonly amounts?: (defaults: Amounts) => Amounts;
  /** Of the limits alone. */
  readonly clock?: () => number;
  readonly receiveMaxMs?: number;
  readonly stalledMs?: number;
}

async function noSockets(): Promise<Accepted> {
  throw new TailraceError('token_invalid', 'No WebSocket may open here.');
}

/** Starts it. */
export async function startHttpService(options: HttpServiceOptions): Promise<HttpService> {
  const log = createLog('silent');
  const metrics = createMetrics();
  const clock = Date.now;
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-http-'));
  const key = await openSigningKey(folder);
  const keys = { kind: 'local', key } as const;
  const tokens = await createTokenVerifier({ keys, profile: PROFILE, clock, log, metrics });
  const policy = await loadPolicy({ metrics, log, clock });
  const authority = createAuthority({ policy, tokens, metrics });
  const defaults = amountsOf(readConfig({}));
  const limits = createLimits({
    ...{ metrics, amounts: options.amounts?.(defaults) ?? defaults },
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const registry = createRegistry(options.routes);
  const { receiveMaxMs, stalledMs, accept = noSockets } = options;
  const sources = { registry, authority, limits, clock, log, metrics, receiveMaxMs, stalledMs };
  const service = createService({ ...sources, corsOrigins: new Set<string>() });
  const engine = loadEngine();
  const app = createApp(engine);
  serveWebSockets(app, {
    ...{ path: '/socket', accept, limits, headers: () => ({}), log },
    knows: (request) => authority.knows(request, clock(), { takesTicket: true }),
    messageMaxBytes: options.messageMaxBytes ?? 64 * 1024,
  });
  app.any('/*', (res, req) => service.handle(res, req));
  const port = await new Promise<number>((resolve, reject) => {
    listenAlone(app, '127.0.0.1', 0, (socket) => {
      if (socket) resolve(engine.us_socket_local_port(socket));
      else reject(new Error('cannot listen'));
    });
  });
  return {
    ...{ url: `http://127.0.0.1:${port}`, port, metrics, limits },
    async token(tenant, subject, { roles = ['viewer'], claims: more } = {}) {
      const claims = { ...more, sub: subject };
      const order = { tenant, roles, ttlS: 3_600, claims, nowMs: clock() };
      return (await issueToken(key, PROFILE, order)).token;
    },
    async ticketFor(token) {
      return authority.tickets.issue({ claims: await tokens.verify(token), token }, clock());
    },
    async stop() {
      app.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A client that says exactly what a test wants it to say. */
export interface RawClient {
  readonly socket: Socket;
  /** All that came, as Latin-1. */
  readonly received: () => string;
  /** How long the connection lasted, in ms; resolves when the server closed it. */
  readonly closed: Promise<number>;
  send(data: string | Uint8Array): void;
}

/** Connects to a port of this machine. Errors of the connection are its end. */
export function openRawClient(port: number): RawClient {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const sinceMs = performance.now();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => resolve(performance.now() - sinceMs));
  });
  return {
    ...{ socket, closed },
    received: () => Buffer.concat(chunks).toString('latin1'),
    send: (data) => void socket.write(data),
  };
}
