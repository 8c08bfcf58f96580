// Live tails: WebSockets and event streams over the same sessions.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Feed } from '../../lib/feed/feed.ts';
import type { Log } from '../../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../../lib/metrics.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import { type Authority, requireAllowed } from '../authority.ts';
import type { Account } from '../http/account.ts';
import type { Request } from '../http/request.ts';
import type { DecidedRoute } from '../http/routes.ts';
import type { Accepted, SocketEnd, SocketHandler } from '../http/websocket.ts';
import type { Release } from '../limits/counts.ts';
import type { Admission, Limits } from '../limits/limits.ts';
import type { ReaderOf } from '../range/queued-reader.ts';
import type { RangeSources } from '../range/read.ts';
import { factsOf } from '../routes/facts.ts';
import { type Cohorts, createCohorts } from './cohorts.ts';
import { createFinder, type Finder } from './complete.ts';
import { CLOSE, type Transport } from './connection.ts';
import { type ServerFrame, SUBSCRIPTIONS_MAX } from './frames.ts';
import { createHub, type Hub } from './hub.ts';
import { createRechecks, type Rechecks } from './rechecks.ts';
import { createRecoveries, type Recoveries } from './recover.ts';
import type { Opening } from './right.ts';
import { openSession, type Session } from './session.ts';
import { streamRoute } from './stream.ts';
import { decodeFrame, encodeFrame, PROTOCOLS, type Protocol } from './wire.ts';

/** Connections of one process. */
const CONNECTIONS_MAX = 10_000;
/** Paced frames, expiry and stalls are looked at so often. */
const TICK_MS = 50;
const CLOSE_REASON_MAX_BYTES = 123;

export interface TailServices extends Pick<RangeSources, 'feed'> {
  readonly readerOf: ReaderOf;
  readonly catalogue: Catalogue;
  readonly hub: Hub;
  readonly cohorts: Cohorts;
  readonly authority: Authority;
  readonly rechecks: Rechecks;
  readonly finder: Finder;
  readonly recoveries: Recoveries;
  readonly limits: Limits;
  /** How many are open. */
  connections(): number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: {
    readonly delivered: { inc(by: number): void };
    readonly dropped: { inc(by: number): void };
    readonly lagSeconds: { observe(seconds: number): void };
  };
}

export interface Tails {
  readonly route: DecidedRoute;
  /** Decides on a WebSocket. @throws TailraceError for the answer instead. */
  accept(request: Request, account: Account): Promise<Accepted>;
  /** Tells every client bye. */
  stop(): void;
}

export interface TailsOptions {
  readonly readerOf: ReaderOf;
  readonly catalogue: Catalogue;
  readonly authority: Authority;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly feed: Feed;
  /** Sends a frame to all sockets that are subscribed to a topic. */
  readonly publish: (topic: string, data: string | Uint8Array) => void;
}

function chooseProtocol(header: string | undefined): Protocol | undefined {
  if (header === undefined) return undefined;
  const offered = header.split(',').map((name) => name.trim());
  const chosen = PROTOCOLS.find((protocol) => offered.includes(protocol));
  if (chosen !== undefined) return chosen;
  throw new TailraceError('bad_request', `The subprotocols are ${PROTOCOLS.join(' and ')}.`);
}

function socketTransport(
  socket: SocketEnd,
  protocol: Protocol,
  origin: string | undefined,
  charge: Admission['charge'],
): Transport {
  function send(frame: ServerFrame): void {
    const data = encodeFrame(frame, protocol);
    charge(Buffer.byteLength(data));
    socket.send(data);
  }

  return {
    protocol: 'websocket',
    ...{ origin, send, charge },
    topics: {
      wire: protocol,
      subscribe: (topic) => socket.subscribe(topic),
      unsubscribe: (topic) => socket.unsubscribe(topic),
    },
    unsentBytes: () => socket.bufferedBytes(),
    close(code, detail, more) {
      send({ type: 'bye', code, detail, ...more });
      socket.end(code, closeReason(detail));
    },
  };
}

/** A close frame has 125 bytes, of which two are the code (RFC 6455, 5.5). The `bye` before has the whole detail. */
function closeReason(detail: string): string {
  const bytes = Buffer.from(detail);
  if (bytes.length <= CLOSE_REASON_MAX_BYTES) return detail;
  // A character that was cut in two is left out.
  return bytes
    .subarray(0, CLOSE_REASON_MAX_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}

function handlerOf(
  session: Session,
  protocol: Protocol,
  charge: Admission['charge'],
  log: Log,
): SocketHandler {
  return {
    message(data) {
      charge(data.length);
      try {
        const frame = decodeFrame(data, protocol);
        session
          .receive(frame)
          .catch((cause: unknown) => log.error({ err: cause }, 'a tail failed'));
      } catch (thrown) {
        session.refuse(thrown);
      }
    },
    drained: () => session.drained(),
    closed: () => session.closed(),
  };
}

function createCounters(metrics: Metrics): TailServices['counters'] {
  return {
    delivered: metrics.counter('tailrace_tail_delivered_total', 'points sent to tails'),
    dropped: metrics.counter(
      'tailrace_tail_dropped_total',
      'points that tails were not sent as points (conflated or summarised)',
    ),
    lagSeconds: metrics.histogram(
      'tailrace_tail_lag_seconds',
      'time from a point in the feed to the frame that carries it; once a record for all who keep up',
      DURATION_BUCKETS_S,
    ),
  };
}

/** Begins to follow the feed for tails. */
export async function createTails(options: TailsOptions): Promise<Tails> {
  const { authority, limits, clock, log, metrics, catalogue, feed, readerOf, publish } = options;
  const hub = await createHub({ feed, catalogue, clock, log });
  const counters = createCounters(metrics);
  const { policy, revocations } = authority;
  const connectionsMax = CONNECTIONS_MAX;
  const rechecks = createRechecks({ policy, revocations, connectionsMax, metrics, log });
  const finder = createFinder(catalogue, metrics);
  const subscriptionsMax = CONNECTIONS_MAX * SUBSCRIPTIONS_MAX;
  const recoveries = createRecoveries(metrics, subscriptionsMax);
  const cohorts = createCohorts({
    ...{ hub, rechecks, publish, counters, clock, metrics },
    cohortsMax: subscriptionsMax,
  });
  hub.beforeEach((nowMs) => cohorts.settle(nowMs));
  const sessions = new Set<Session>();
  const services: TailServices = {
    ...{ hub, cohorts, authority, limits, rechecks, finder, recoveries, clock },
    ...{ catalogue, readerOf, feed, log, counters },
    connections: () => sessions.size,
  };
  metrics.bounded('tail_connections', () => sessions.size, CONNECTIONS_MAX);
  metrics.gauge('tailrace_tail_subscribers', 'subscriptions of open tails', () => {
    let count = 0;
    for (const session of sessions) count += session.member.subscriptions().length;
    return count;
  });
  const ticking = setInterval(() => {
    const nowMs = clock();
    for (const session of sessions) if (session.tickAtMs() <= nowMs) session.tick(nowMs);
  }, TICK_MS);

  function open(transport: Transport, opening: Opening, leave: Release): Session {
    const session = openSession(transport, opening, services, () => {
      sessions.delete(session);
      leave();
    });
    sessions.add(session);
    if (sessions.size > CONNECTIONS_MAX) session.close(CLOSE.tooMany, 'too many connections');
    return session;
  }

  async function accept(request: Request, account: Account): Promise<Accepted> {
    // Before a ticket is used up.
    const chosen = chooseProtocol(request.headers.get('sec-websocket-protocol'));
    const ticket = request.query.get('ticket');
    const claims = await (ticket === null
      ? authority.claimsOf(request)
      : authority.tickets.redeemForSocket(ticket, clock()));
    account.claims = claims;
    limits.admitFrame(claims, true);
    const grant = authority.ask('tail', claims, factsOf(request, 'websocket'), clock());
    account.grant = grant;
    requireAllowed(grant);
    const { charge, release } = limits.admitTail(claims);
    const opening = { claims, grant, rules: rechecks.rules };
    const protocol = chosen ?? 'tailrace.json';
    const origin = request.headers.get('origin');
    return {
      protocol: chosen,
      release,
      connect(socket) {
        const transport = socketTransport(socket, protocol, origin, charge);
        return handlerOf(open(transport, opening, release), protocol, charge, log);
      },
    };
  }

  return {
    accept,
    route: streamRoute(services, open),
    stop() {
      clearInterval(ticking);
      rechecks.stop();
      hub.stop();
      for (const session of [...sessions]) session.close(CLOSE.restart, 'the server restarts');
      sessions.clear();
    },
  };
}
