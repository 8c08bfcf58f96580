// Tails without sockets: sessions on a real hub, feed and policy, whose transports are arrays of frames. For what needs
// thousands of them, or a moment that a socket cannot be held at.
import type { Clock } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Feed } from '../lib/feed/feed.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import type { Claims } from '../policies/grant.ts';
import { createRevocations, type Revocations } from '../policies/tokens/revocations.ts';
import { createAuthority } from '../query/authority.ts';
import { type Amounts, amountsOf } from '../query/limits/amounts.ts';
import { createLimits } from '../query/limits/limits.ts';
import { createCohorts } from '../query/tail/cohorts.ts';
import { createFinder } from '../query/tail/complete.ts';
import type { ServerFrame } from '../query/tail/frames.ts';
import { createHub } from '../query/tail/hub.ts';
import { createRechecks } from '../query/tail/rechecks.ts';
import { createRecoveries } from '../query/tail/recover.ts';
import { openSession, type Session } from '../query/tail/session.ts';
import type { TailServices } from '../query/tail/tails.ts';
import { frameText } from '../query/tail/wire.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { RangeAnswer, RangeRequest } from '../store/range/range.ts';
import type { RangeReader } from '../store/range/read.ts';
import type { Series } from '../store/series.ts';
import { createSeriesIndex } from '../store/series-index.ts';
import { type ChangingPolicy, changingPolicy } from './policy.ts';

export interface SessionHouse {
  readonly rules: ChangingPolicy;
  readonly revocations: Revocations;
  readonly feed: Feed;
  readonly metrics: Metrics;
  readonly services: TailServices;
  /** Claims by the text that `reauth` brings as a token. */
  readonly tokens: Map<string, Claims>;
  /** Makes a series of acme known, without telling the feed. */
  make(asset: string, channel: string, labels?: Record<string, string>): Series;
  /** Feeds one value of each series, at a time in ms. */
  feedPoints(points: readonly (readonly [Series, ms: number, value: number])[]): Promise<void>;
  open(claims: Claims): TestSession;
  stop(): void;
}

export interface TestSession {
  readonly session: Session;
  readonly frames: ServerFrame[];
  /** Called with each frame before it is kept. */
  onFrame: (frame: ServerFrame) => void;
  /** What its reader has not read; Infinity stops it. */
  unsent: number;
  closed: { readonly code: number; readonly detail: string } | undefined;
}

export interface HouseOptions {
  readonly clock?: Clock;
  readonly rangeReader?: Partial<RangeReader>;
  /** As the program has them by default unless given. */
  readonly limits?: Amounts;
}

function catalogueOf(index: ReturnType<typeof createSeriesIndex>): Catalogue {
  return {
    ...index,
    get size() {
      return index.size;
    },
    ensure: () => Promise.reject(new Error('series are made by the test')),
    lookUp: async (ids) => ids.flatMap((id) => index.byId(id) ?? []),
    stop: async () => undefined,
  };
}

/** Topics without an engine: what is published is sent to each subscriber, as frames. */
function createBus() {
  const topics = new Map<string, Set<(frame: ServerFrame) => void>>();
  return {
    publish(topic: string, data: string | Uint8Array): void {
      const frame = JSON.parse(Buffer.from(data).toString()) as ServerFrame;
      for (const send of topics.get(topic) ?? []) send(frame);
    },
    /** Those of one transport. */
    ends: (send: (frame: ServerFrame) => void) => ({
      wire: 'tailrace.json' as const,
      subscribe: (topic: string) =>
        void topics.set(topic, (topics.get(topic) ?? new Set()).add(send)),
      unsubscribe: (topic: string) => void topics.get(topic)?.delete(send),
    }),
  };
}

function openTransport(
  services: TailServices,
  bus: ReturnType<typeof createBus>,
  claims: Claims,
): TestSession {
  const { authority, rechecks, clock } = services;
  const frames: ServerFrame[] = [];
  const grant = authority.decide('tail', claims, { protocol: 'websocket' }, clock());
  const opened: Omit<TestSession, 'session'> = {
    frames,
    onFrame: () => undefined,
    unsent: 0,
    closed: undefined,
  };
  /** A frame as its client reads it. */
  function receive(frame: ServerFrame): void {
    result.onFrame(frame);
    frames.push(frame);
  }
  const transport = {
    ...{ protocol: 'websocket', origin: undefined, charge: () => undefined },
    send(frame: ServerFrame) {
      receive(JSON.parse(frameText(frame)) as ServerFrame);
    },
    topics: bus.ends(receive),
    unsentBytes: () => result.unsent,
    close(code: number, detail: string) {
      result.closed = { code, detail };
    },
  };
  const opening = { claims, grant, rules: rechecks.rules };
  const session = openSession(transport, opening, services, () => undefined);
  const result: TestSession = Object.assign(opened, { session });
  return result;
}

/** Opens a house without sessions: the shipped policy, an empty catalogue. */
export async function openHouse(options: HouseOptions = {}): Promise<SessionHouse> {
  const { clock = Date.now, rangeReader = {}, limits = amountsOf(readConfig({})) } = options;
  const log = createLog('silent');
  const metrics = createMetrics();
  const feed = createRing({ recordsMax: 10_000, pointsMax: 1_000_000, log });
  const index = createSeriesIndex();
  const catalogue = catalogueOf(index);
  const rules = changingPolicy(await loadPolicy({ metrics, log, clock }));
  const revocations = createRevocations();
  const tokens = new Map<string, Claims>();
  const verifier = {
    revocations,
    keepUp: () => undefined,
    knows: () => true,
    issuers: () => ({ all: 1, usable: 1 }),
    async verify(token: string) {
      const claims = tokens.get(token);
      if (claims !== undefined && !revocations.isRevoked(claims)) return claims;
      throw new TailraceError('token_invalid', 'The token is none of the test.');
    },
  };
  const { policy } = rules;
  const authority = createAuthority({ policy, tokens: verifier, metrics });
  const noReads = () => Promise.reject(new Error('nothing is read in this test'));
  const noSlices = () => {
    throw new Error('nothing is read in this test');
  };
  const reader: RangeReader = {
    ...{ rowsMax: 1, costFacts: async () => ({ rollups: [], pointsPerUs: 0 }) },
    ...{ readsMax: 1, read: noReads, slices: noSlices, ends: noReads },
    ...rangeReader,
  };
  const bus = createBus();
  const hub = await createHub({ feed, catalogue, clock, log });
  const rechecks = createRechecks({ policy, revocations, connectionsMax: 10_000, metrics, log });
  const counters = {
    delivered: { inc: () => undefined },
    dropped: { inc: () => undefined },
    lagSeconds: { observe: () => undefined },
  };
  const { publish } = bus;
  const cohorts = createCohorts({
    ...{ hub, rechecks, publish, counters, clock, metrics, cohortsMax: 10_000 },
  });
  hub.beforeEach((nowMs) => cohorts.settle(nowMs));
  const services: TailServices = {
    ...{ catalogue, feed, clock, log, authority, hub, rechecks, cohorts, counters },
    connections: () => 1,
    readerOf: (_claims, signal) =>
      signal === undefined
        ? reader
        : { ...reader, read: (request) => reader.read({ ...request, signal }) },
    limits: createLimits({ amounts: limits, metrics }),
    finder: createFinder(catalogue, metrics),
    recoveries: createRecoveries(metrics, 10_000),
  };
  return {
    ...{ rules, revocations, feed, metrics, services, tokens },
    make(asset, channel, labels = {}) {
      const series: Series = {
        ...{ id: index.size + 1, tenant: 'acme', asset, channel, labels },
        ...{ unit: null, kind: 'number', index: 'time' },
      };
      index.add(series);
      return series;
    },
    async feedPoints(points) {
      await feed.append({
        kind: 'readings',
        seriesIds: points.map(([{ id }]) => id),
        timesUs: points.map(([, ms]) => ms * 1_000),
        values: points.map(([, , value]) => value),
        qualities: points.map(() => 0),
      });
    },
    open: (claims) => openTransport(services, bus, claims),
    stop() {
      services.rechecks.stop();
      services.hub.stop();
    },
  };
}

/** A range reader that answers nothing until it is told to. */
export function heldReader() {
  const waiting: { request: RangeRequest; answer: () => void }[] = [];
  const read = (request: RangeRequest) =>
    new Promise<RangeAnswer>((resolve) => {
      const { startUs, endUs, series } = request;
      const points = { t: Float64Array.of(startUs), v: Float64Array.of(1), q: Int16Array.of(0) };
      const answered: RangeAnswer = {
        ...{ startUs, endUs, buckets: null, level: 'raw', segments: [], complete: true },
        series: series.map((one) => ({ series: one, columns: { kind: 'raw', ...points } })),
        position: { epoch: 'e', offset: 0 },
      };
      waiting.push({ request, answer: () => resolve(answered) });
    });
  return { waiting, rangeReader: { read } };
}

/** One turn of the event loop. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Waits until something is there. */
export async function until(isThere: () => boolean): Promise<void> {
  while (!isThere()) await turn();
}
