// The story of a request: copied, measured, routed, authorised, handled, sent. A handler that throws is an answer too.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../../lib/metrics.ts';
import { type Authority, requireAllowed } from '../authority.ts';
import type { Limits } from '../limits/limits.ts';
import { type Account, decisionHeaders, logRequest, openAccount } from './account.ts';
import { arrive } from './arrive.ts';
import { createBodies } from './body.ts';
import { corsHeaders } from './cors.ts';
import type { HttpRequest as EngineRequest, HttpResponse } from './engine.ts';
import { sendPieces } from './pieces.ts';
import { isKnownProblem, problemReply } from './problem.ts';
import { type AnyReply, emptyReply } from './reply.ts';
import { copyRequest, isLoopback, type Request } from './request.ts';
import type { Registry, Route } from './routes.ts';
import { beginExchange, type Exchange, openStream, sendReply } from './send.ts';
import { continueTrace } from './trace.ts';

/** More requests than this at one time are told to come back. */
const IN_FLIGHT_MAX = 2_000;
const TIMEOUT_MS = 60_000;

export interface ServeOptions {
  readonly registry: Registry;
  readonly authority: Authority;
  readonly limits: Limits;
  readonly corsOrigins: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** How long a body may take to come in. */
  readonly receiveMaxMs?: number | undefined;
  /** How long a client may take nothing of an answer that is made while it is sent. */
  readonly stalledMs?: number | undefined;
}

export interface Service {
  /** The engine's handler for everything that is no WebSocket. */
  handle(res: HttpResponse, req: EngineRequest): void;
  /** Answers what comes from now on with 503; resolves when nothing is being answered any more. */
  drain(): Promise<void>;
}

/** Headers that every answer carries, whatever it says. */
export function commonHeaders(
  request: Request,
  corsOrigins: ReadonlySet<string>,
  methods: string,
): Record<string, string> {
  const vary = 'Authorization, Accept, Accept-Encoding';
  return {
    traceparent: continueTrace(request.headers.get('traceparent')),
    Vary: corsOrigins.size > 0 ? `${vary}, Origin` : vary,
    'X-Content-Type-Options': 'nosniff',
    ...corsHeaders(request, corsOrigins, methods),
  };
}

async function callRoute(
  route: Route,
  request: Request,
  authority: Authority,
  nowMs: number,
  account: Account,
  signal: AbortSignal,
): Promise<AnyReply> {
  if (route.grant === 'public') return route.handle(request);
  if (route.grant === 'loopback') {
    if (isLoopback(request.peer)) return route.handle(request);
    throw new TailraceError('loopback_only', 'Ask from the machine itself.');
  }
  const { claims } = account;
  if (claims === undefined) throw new TailraceError('token_missing', 'A token is needed.');
  if (route.grant === 'subject') return route.handle(request, claims);
  const prepared = route.prepare(request);
  const { facts, target } = prepared;
  const labels = target === undefined ? undefined : { tenant: claims.tenant, ...target };
  const grant = authority.ask(route.grant.action, claims, facts, nowMs, { labels });
  account.grant = grant;
  return prepared.handle({ claims, grant: requireAllowed(grant), signal });
}

function within<T>(ms: number, exchange: Exchange, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const cause = new TailraceError('timeout', `No answer within ${ms / 1_000} s.`);
      reject(cause);
      exchange.abandon(cause);
    }, ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Sends an answer, and charges its bytes as they are known; a stream charges its own. */
async function send(
  exchange: Exchange,
  request: Request,
  reply: AnyReply,
  headers: Readonly<Record<string, string>>,
  account: Account,
  { log, stalledMs }: Pick<ServeOptions, 'log' | 'stalledMs'>,
): Promise<void> {
  const charge = (bytes: number) => account.admission?.charge(bytes);
  if (reply.kind === 'whole') charge(await sendReply(exchange, request, reply, headers));
  if (reply.kind === 'stream') openStream(exchange, request, reply, headers);
  if (reply.kind !== 'pieces') return;
  try {
    await sendPieces(exchange, request, reply, headers, charge, stalledMs);
  } catch (thrown) {
    if (!isKnownProblem(thrown)) throw thrown;
    const { traceparent } = headers;
    log.info({ err: thrown, path: request.path, traceparent }, 'an answer was cut');
  }
}

/** Makes the service that answers every request of a registry's routes. */
export function createService(options: ServeOptions): Service {
  const { registry, authority, limits, corsOrigins, clock, log, metrics } = options;
  const bodies = createBodies(options);
  const waiting: (() => void)[] = [];
  let inFlight = 0;
  let isDraining = false;
  metrics.bounded('requests_in_flight', () => inFlight, IN_FLIGHT_MAX);
  const seconds = metrics.histogram(
    'tailrace_query_seconds',
    'time from a request to its answer, by route and by the level that served it',
    DURATION_BUCKETS_S,
    ['route', 'level'],
  );

  async function routed(exchange: Exchange, request: Request, account: Account): Promise<AnyReply> {
    if (isDraining) throw new TailraceError('stopping', 'Ask again in a second.');
    const leave = limits.enterConnection(request.peer);
    void exchange.over.then(leave);
    const route = await arrive(request, account, options);
    if (route === undefined) return emptyReply(204, { Allow: registry.methods(request.path) });
    if (inFlight > IN_FLIGHT_MAX) throw new TailraceError('overloaded', 'Ask again in a second.');
    if (account.claims !== undefined) account.admission = limits.admitRequest(account.claims);
    const body = await exchange.body?.whole;
    account.admission?.charge(body?.length ?? 0);
    const complete = body === undefined ? request : { ...request, body };
    const { signal } = exchange;
    const called = callRoute(route, complete, authority, clock(), account, signal);
    return within(TIMEOUT_MS, exchange, called);
  }

  async function answer(exchange: Exchange, request: Request): Promise<void> {
    const account = openAccount();
    try {
      await answerFor(exchange, request, account);
    } finally {
      account.admission?.release();
    }
  }

  async function answerFor(exchange: Exchange, request: Request, account: Account) {
    const since = performance.now();
    const methods = registry.methods(request.path);
    const common = commonHeaders(request, corsOrigins, methods);
    const { traceparent } = common;
    let reply: AnyReply;
    try {
      reply = await routed(exchange, request, account);
    } catch (thrown) {
      if (!isKnownProblem(thrown)) {
        log.error({ err: thrown, path: request.path, traceparent }, 'a request failed');
      }
      const problem = problemReply(thrown, account.grant?.decisionId);
      const shape = registry.peek(request.method, request.path)?.refusal;
      reply = shape === undefined ? problem : shape(problem);
    }
    // Paths that nobody registered are one label, or clients could make as many series as they like.
    const route = registry.templateOf(request.path) ?? 'none';
    const headers = { ...common, ...decisionHeaders(account) };
    await send(exchange, request, reply, headers, account, options);
    const durationMs = performance.now() - since;
    const status = reply.kind === 'whole' ? reply.status : 200;
    logRequest(log, account, { method: request.method, route, status, durationMs, traceparent });
    // How long these take says something of their clients, and nothing of the server.
    if (reply.kind !== 'whole') return;
    seconds.observe({ route, level: reply.level ?? 'none' }, durationMs / 1_000);
    // Until then its memory is held: a reader may be slow, and ask for more meanwhile.
    await exchange.over;
  }

  function settle(): void {
    inFlight -= 1;
    if (inFlight === 0) for (const tell of waiting.splice(0)) tell();
  }

  return {
    handle(res, req) {
      const request = copyRequest(res, req);
      const exchange = beginExchange(res);
      if (request.method === 'POST') exchange.body = bodies.receive(res, request);
      inFlight += 1;
      answer(exchange, request)
        .catch((cause: unknown) => {
          log.error({ err: cause, path: request.path }, 'an answer could not be sent');
          if (!exchange.gone) res.close();
        })
        .finally(settle);
    },
    drain() {
      isDraining = true;
      return inFlight === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}
