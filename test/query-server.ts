// A query server for tests: real store, real policy, real tokens, on a port of the system's choice; and a way to write
// readings as the ingester does.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../lib/config.ts';
import type { Feed } from '../lib/feed/feed.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLifecycle } from '../lib/lifecycle.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { openRedisScripts } from '../lib/redis.ts';
import type { Decision, Policy } from '../policies/decide/decision.ts';
import { recordOf } from '../policies/decide/mask.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { createTokenVerifier, type TokenProfile } from '../policies/tokens/verifier.ts';
import type { Route } from '../query/http/routes.ts';
import { type Amounts, amountsOf } from '../query/limits/amounts.ts';
import { startQueryServer } from '../query/server.ts';
import type { Database } from '../sql/connection.ts';
import { type Catalogue, openCatalogue } from '../store/catalogue.ts';
import { openDeadLetters } from '../store/dead-letters-list.ts';
import { type DecisionReader, openDecisionLog } from '../store/decisions.ts';
import { openLatest } from '../store/latest.ts';
import { createRangeReader } from '../store/range/read.ts';
import { openRevocations } from '../store/revocations.ts';
import type { Series } from '../store/series.ts';
import { createWriter } from '../store/writer.ts';

const PROFILE: TokenProfile = {
  issuers: ['test'],
  audiences: ['test'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};

/** A reading of one series: time in ms since 1970, value, and quality where it is not good. */
type TestPoint = readonly [ms: number, value: number | string, quality?: number];

export interface TestQueryServer {
  readonly url: string;
  readonly feed: Feed;
  readonly catalogue: Catalogue;
  readonly metrics: Metrics;
  readonly decisions: DecisionReader;
  /** What the server's tokens are looked up in; `add` revokes. */
  readonly revocations: Revocations;
  /** Makes a token; a viewer of acme for an hour unless said otherwise. */
  token(order?: {
    tenant?: string;
    roles?: string[];
    ttlS?: number;
    claims?: Record<string, unknown>;
  }): Promise<string>;
  /** Commits points and appends them to the feed; makes the series, of acme unless said otherwise, where it is new. */
  write(
    asset: string,
    channel: string,
    points: readonly TestPoint[],
    of?: Partial<Pick<Series, 'tenant' | 'labels' | 'unit'>>,
  ): Promise<Series>;
  stop(): Promise<void>;
}

export interface TestQueryServerOptions {
  readonly database: Database;
  readonly clock?: () => number;
  readonly corsOrigins?: readonly string[];
  readonly routes?: readonly Route[];
  readonly pageDirectory?: string;
  /** Stands before the shipped policy. */
  readonly policy?: (shipped: Policy) => Policy;
  readonly feed?: Feed;
  /** As the program has them by default unless given. */
  readonly limits?: Amounts;
  /** Of a Redis by which its tickets are good at others. */
  readonly ticketRedisUrl?: string;
  /** Of the key that signs its tokens: servers of one folder take one another's. Its own unless given. */
  readonly keyFolder?: string;
}

type Ingest = Pick<TestQueryServer, 'write'>;

/** The ingester's half of the story, without a broker. */
function ingestInto(options: {
  database: Database;
  catalogue: Catalogue;
  feed: Feed;
  metrics: Metrics;
}): Ingest & { stop(): Promise<void> } {
  const { database, catalogue, feed, metrics } = options;
  const writer = createWriter({ database, metrics, log: createLog('silent') });
  return {
    stop: () => writer.stop(),
    async write(asset, channel, points, { tenant = 'acme', labels = {}, unit = null } = {}) {
      const kind = typeof points[0]?.[1] === 'string' ? 'state' : 'number';
      const firstUs = Math.round(Math.min(...points.map(([ms]) => ms)) * 1_000);
      const identity = { tenant, asset, channel, labels };
      const [series] = await catalogue.ensure([{ ...identity, kind, firstUs, unit }]);
      if (series === undefined) throw new Error('the catalogue made no series');
      const rows = points.length;
      const values = points.map(([, value]) => value);
      const batch = {
        rows,
        seriesIds: new Int32Array(rows).fill(series.id),
        timesUs: Float64Array.from(points, ([ms]) => Math.round(ms * 1_000)),
        values: Float64Array.from(values, (value) => (kind === 'number' ? Number(value) : 0)),
        states: kind === 'state' ? values.map(String) : [],
        qualities: Int16Array.from(points, ([, , quality = 0]) => quality),
        dups: new Uint8Array(rows),
        messages: new Int32Array(rows),
      };
      await writer.write(batch);
      const { seriesIds, timesUs, qualities } = batch;
      await feed.append({ kind: 'readings', seriesIds, timesUs, values, qualities });
      return series;
    },
  };
}

/** Starts the server and all that it stands on but the database. */
export async function startTestQueryServer(
  options: TestQueryServerOptions,
): Promise<TestQueryServer> {
  const { database, clock = Date.now, corsOrigins = [], routes = [] } = options;
  const log = createLog(process.env.LOG_LEVEL ?? 'silent');
  const metrics = createMetrics();
  const lifecycle = createLifecycle(log);
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-query-'));
  lifecycle.add({ name: 'key folder', stop: () => rm(folder, { recursive: true }) });
  const key = await openSigningKey(options.keyFolder ?? folder);
  const feed = options.feed ?? createRing({ recordsMax: 10_000, pointsMax: 1_000_000, metrics });
  lifecycle.add(feed);
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  lifecycle.add({ name: 'catalogue', stop: () => catalogue.stop() });
  const latest = lifecycle.add(await openLatest({ database, feed, catalogue, metrics, log }));
  const decisions = lifecycle.add(
    openDecisionLog<Decision>({ database, metrics, log, mode: 'all', rowOf: recordOf }),
  );
  const onDecision = decisions.record;
  const shipped = await loadPolicy({ metrics, log, clock, onDecision });
  const { pageDirectory } = options;
  const keys = { kind: 'local', key } as const;
  const ingest = ingestInto({ database, catalogue, feed, metrics });
  lifecycle.add({ name: 'ingest', stop: () => ingest.stop() });
  const tokens = await createTokenVerifier({ keys, profile: PROFILE, clock, log, metrics });
  const { revocations } = tokens;
  const store = lifecycle.add(
    await openRevocations({ database, feed, revocations, clock, log, metrics }),
  );
  const { ticketRedisUrl: url } = options;
  const ticketRedis =
    url === undefined
      ? undefined
      : lifecycle.add(
          await openRedisScripts({ url, log, metrics, what: 'tickets', answerMaxMs: 60_000 }),
        );
  const server = lifecycle.add(
    await startQueryServer({
      ...{ host: '127.0.0.1', port: 0, catalogue, latest, feed, clock, log, metrics },
      rangeReader: createRangeReader({ database, feed, metrics }),
      policy: options.policy?.(shipped) ?? shipped,
      ...{ tokens, ticketRedis, revocations: store, decisions, corsOrigins, routes, pageDirectory },
      deadLetters: openDeadLetters(database),
      limits: options.limits ?? amountsOf(readConfig({})),
      readiness: async () => ({ database: { ok: true } }),
    }),
  );
  return {
    url: server.url,
    ...{ feed, catalogue, metrics, decisions, revocations },
    write: ingest.write,
    async token({ tenant = 'acme', roles = ['viewer'], ttlS = 3_600, claims = {} } = {}) {
      const order = { tenant, roles, ttlS, claims, nowMs: clock() };
      return (await issueToken(key, PROFILE, order)).token;
    },
    stop: () => lifecycle.stop(),
  };
}

/** The body of an answer. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
export async function readJson(response: Response): Promise<any> {
  return response.json();
}

/** Writes a few numbers and states from `t0` (ms) on, on two rigs; gives the id of rig-1/mud/spp. */
export async function writeSamples(server: TestQueryServer, t0: number): Promise<number> {
  const spp = await server.write('rig-1', 'mud/spp', [
    [t0, 1],
    [t0 + 1_000, 5, 7],
    [t0 + 2_000.25, 3],
    [t0 + 60_000, 2],
  ]);
  await server.write('rig-1', 'activity', [
    [t0, 'drilling'],
    [t0 + 60_000, 'tripping, "out"'],
  ]);
  await server.write('rig-2', 'mud/spp', [[t0, 9]]);
  return spp.id;
}
