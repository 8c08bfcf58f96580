// The story of a request: copied, measured, routed, authorised, handled, sent. A handler that throws is an answer too.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../../lib/metrics.ts';
import { type Authority, requireAllowed } from '../authority.ts';
import { type Account, decisionHeaders, logRequest, openAccount } from './account.ts';
import { corsHeaders } from './cors.ts';
import type { HttpRequest as EngineRequest, HttpResponse } from './engine.ts';
import { isKnownProblem, problemReply } from './problem.ts';
import { type AnyReply, emptyReply } from './reply.ts';
import { checkSizes, copyRequest, isLoopback, type Request, readBody } from './request.ts';
import type { Registry, Route } from './routes.ts';
import { beginExchange, type Exchange, openStream, sendReply } from './send.ts';
import { continueTrace } from './trace.ts';

/** More requests than this at one time are told to come back. */
const IN_FLIGHT_MAX = 2_000;
const TIMEOUT_MS = 60_000;

export interface ServeOptions {
  readonly registry: Registry;
  readonly authority: Authority;
  readonly corsOrigins: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
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
): Promise<AnyReply> {
  if (route.grant === 'public') return route.handle(request);
  if (route.grant === 'loopback') {
    if (isLoopback(request.peer)) return route.handle(request);
    throw new TailraceError('loopback_only', 'Ask from the machine itself.');
  }
  if (route.grant === 'subject') {
    account.claims = await authority.claimsOf(request);
    return route.handle(request, account.claims);
  }
  const claims =
    route.ticket === true && request.query.has('ticket')
      ? authority.redeemForStream(request, nowMs)
      : await authority.claimsOf(request);
  account.claims = claims;
  const prepared = route.prepare(request);
  const grant = authority.ask(route.grant.action, claims, prepared.facts, nowMs);
  account.grant = grant;
  return prepared.handle({ claims, grant: requireAllowed(grant) });
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new TailraceError('timeout', `No answer within ${ms / 1_000} s.`)),
      ms,
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function send(
  exchange: Exchange,
  request: Request,
  reply: AnyReply,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  if (reply.kind === 'stream') openStream(exchange, request, reply, headers);
  else await sendReply(exchange, request, reply, headers);
}

/** Makes the service that answers every request of a registry's routes. */
export function createService(options: ServeOptions): Service {
  const { registry, authority, corsOrigins, clock, log, metrics } = options;
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

  async function routed(
    request: Request,
    body: Promise<Uint8Array> | undefined,
    account: Account,
  ): Promise<AnyReply> {
    if (isDraining) throw new TailraceError('stopping', 'Ask again in a second.');
    checkSizes(request);
    const methods = registry.methods(request.path);
    if (methods !== '' && request.method === 'OPTIONS') return emptyReply(204, { Allow: methods });
    const route = registry.find(request.method, request.path);
    if (inFlight > IN_FLIGHT_MAX) throw new TailraceError('overloaded', 'Ask again in a second.');
    const complete = body === undefined ? request : { ...request, body: await body };
    return within(TIMEOUT_MS, callRoute(route, complete, authority, clock(), account));
  }

  async function answer(exchange: Exchange, request: Request, body?: Promise<Uint8Array>) {
    const since = performance.now();
    const methods = registry.methods(request.path);
    const common = commonHeaders(request, corsOrigins, methods);
    const account = openAccount();
    let reply: AnyReply;
    try {
      reply = await routed(request, body, account);
    } catch (thrown) {
      if (!isKnownProblem(thrown)) {
        const { traceparent } = common;
        log.error({ err: thrown, path: request.path, traceparent }, 'a request failed');
      }
      reply = problemReply(thrown, account.grant?.decisionId);
    }
    // Paths that nobody registered are one label, or clients could make as many series as they like.
    const route = methods === '' ? 'none' : request.path;
    await send(exchange, request, reply, { ...common, ...decisionHeaders(account) });
    const durationMs = performance.now() - since;
    const status = reply.kind === 'stream' ? 200 : reply.status;
    const { traceparent } = common;
    logRequest(log, account, { method: request.method, route, status, durationMs, traceparent });
    // A stream has no end that would say anything about the server.
    if (reply.kind === 'stream') return;
    seconds.observe({ route, level: reply.level ?? 'none' }, durationMs / 1_000);
  }

  function settle(): void {
    inFlight -= 1;
    if (inFlight === 0) for (const tell of waiting.splice(0)) tell();
  }

  return {
    handle(res, req) {
      const request = copyRequest(res, req);
      const exchange = beginExchange(res);
      const body = request.method === 'POST' ? readBody(res, request) : undefined;
      // Where the answer does not wait for the body, nobody else looks at its failure.
      body?.catch(() => undefined);
      inFlight += 1;
      answer(exchange, request, body)
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
