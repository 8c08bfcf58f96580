// A world with something to hide: series of two tenants, each name, label and value of which is found nowhere else, so
// that whatever is shown can be told from what it should not have been.
import { writeRoutes } from '../../cli/write-routes.ts';
import { DEFAULT_RULES, fixedRules } from '../../ingest/topics/rules.ts';
import { createWriteDoor } from '../../ingest/write/door.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import type { Decider, DecisionRequest, Policy } from '../../policies/decide/decision.ts';
import type { Action, Claims, Grant } from '../../policies/grant.ts';
import { insertDeadLetters } from '../../store/dead-letters.ts';
import { startRefresher } from '../../store/refresher.ts';
import { openTestDatabase } from '../database.ts';
import { changeGrants } from '../policy.ts';
import { startTestQueryServer, type TestQueryServer } from '../query-server.ts';
import { CALLERS, type Caller, type CallerName, changedFor } from './callers.ts';

/** An awkward time: no edge of any bucket. */
export const NOW_MS = Date.UTC(2026, 0, 10, 12, 3, 30) + 250;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface KnownPoint {
  /** ms since 1970, with a fraction that is the series' own. */
  readonly t: number;
  readonly v: number | string;
  readonly q: number;
}

export interface KnownSeries {
  readonly id: number;
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string | null;
  readonly kind: 'number' | 'state';
  /** By time; a correction replaces. */
  readonly points: readonly KnownPoint[];
}

export interface NewSeries {
  readonly tenant?: string;
  readonly name: readonly [asset: string, channel: string];
  readonly labels?: Readonly<Record<string, string>>;
  readonly unit?: string;
  readonly kind?: 'number' | 'state';
  readonly history: 'long' | 'short' | 'old' | 'fresh';
}

const PUBLIC = { classification: 'public', site: 'site-kestrel', crew: 'crew-osprey' };
const SECRET = { classification: 'secret', site: 'site-merlin', crew: 'crew-heron' };

const SERIES: readonly NewSeries[] = [
  { name: ['rig-albatross', 'mud/pressure'], labels: PUBLIC, unit: 'bar-egret', history: 'long' },
  { name: ['rig-albatross', 'mud/flow'], history: 'long' },
  {
    name: ['rig-albatross', 'activity'],
    labels: { crew: 'crew-ibis' },
    kind: 'state',
    history: 'long',
  },
  // The same name as the first, and hidden from some.
  {
    name: ['rig-albatross', 'mud/pressure'],
    labels: { classification: 'secret', sensor: 'sensor-avocet' },
    history: 'short',
  },
  { name: ['rig-albatross', 'old/jackdaw'], history: 'old' },
  { name: ['rig-albatross', 'fresh/lapwing'], history: 'fresh' },
  { name: ['rig-bittern', 'mud/pressure'], labels: SECRET, history: 'long' },
  { name: ['rig-bittern', 'activity/plover'], labels: SECRET, kind: 'state', history: 'short' },
  {
    name: ['rig-curlew', 'bit/depth'],
    labels: { surcharge: 'fee-fulmar' },
    unit: 'm-gannet',
    history: 'short',
  },
  { name: ['rig-dunlin', 'mud/pressure'], labels: PUBLIC, history: 'short' },
  { name: ['rig-dunlin', 'hook/load'], labels: { classification: 'cosmic' }, history: 'short' },
  {
    tenant: 'zephyr',
    name: ['rig-albatross', 'mud/flow'],
    labels: { site: 'site-rail' },
    history: 'short',
  },
  { tenant: 'zephyr', name: ['rig-snipe', 'well/turnstone'], history: 'short' },
];

/** Times of a history, each a little off any edge; `n` keeps series apart. */
function timesOf(history: NewSeries['history'], n: number): number[] {
  const every = (fromMs: number, untilMs: number, stepMs: number) =>
    Array.from(
      { length: Math.floor((untilMs - fromMs) / stepMs) },
      (_, i) => fromMs + i * stepMs + ((i * 7_919 + n * 641) % 8_999) + n / 64,
    );
  const recent = every(NOW_MS - 80 * MINUTE_MS, NOW_MS - 15_000, 15_000);
  if (history === 'short') return recent;
  if (history === 'fresh') return every(NOW_MS - 2 * MINUTE_MS, NOW_MS - 12_000, 12_000);
  if (history === 'old') return every(NOW_MS - 3 * DAY_MS, NOW_MS - 2 * DAY_MS, HOUR_MS);
  return [...every(NOW_MS - 4 * DAY_MS, NOW_MS - 80 * MINUTE_MS, 25 * MINUTE_MS), ...recent];
}

/** The value at a place of a series: found nowhere else, and in no order. */
export function canary(n: number, i: number, kind: 'number' | 'state'): number | string {
  const value = (n + 1) * 1e7 + ((i * i * 7_919 + i) % 1_000_003) + 0.375;
  return kind === 'number' ? value : `state-${value}`;
}

function pointsOf(n: number, one: NewSeries): KnownPoint[] {
  return timesOf(one.history, n).map((t, i) => ({
    ...{ t: Math.round(t * 1_000) / 1_000, v: canary(n, i, one.kind ?? 'number') },
    q: i % 17 === 3 ? 5 : 0,
  }));
}

export interface World {
  readonly server: TestQueryServer;
  readonly series: KnownSeries[];
  /** The present of the server; it stands still unless it is moved. */
  nowMs: number;
  token(name: CallerName): Promise<string>;
  /** What the policy says to a caller now. */
  decisionFor(name: CallerName, action: Action): Promise<Grant>;
  /** What the policy was told of the request that it decided on last. */
  lastAsked(): DecisionRequest | undefined;
  /** Keeps a dead letter for each series, with what is hidden of it in topic and payload, and one that is nobody's. */
  keepLetters(): Promise<void>;
  /** Writes points of a series that may be new. */
  write(one: NewSeries, points: readonly KnownPoint[]): Promise<KnownSeries>;
  close(): Promise<void>;
}

function claimsOf(token: string): Claims {
  const [, payload = ''] = token.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString());
}

/** Opens the world; `refresh` makes rollups of its history. */
export async function openWorld(series = SERIES, { refresh = true } = {}): Promise<World> {
  const database = await openTestDatabase();
  let nowMs = NOW_MS;
  let policy: Decider | undefined;
  let lastAsked: DecisionRequest | undefined;
  // What is written over HTTP and let through goes nowhere.
  const outlet = {
    carriesContentType: async () => true,
    mayLoseContentType: false,
    publish: async () => {},
  };
  const door = createWriteDoor({ rules: fixedRules(DEFAULT_RULES), outlet, clock: () => nowMs });
  const server = await startTestQueryServer({
    database: database.database,
    routes: writeRoutes(door),
    clock: () => nowMs,
    policy(shipped: Policy) {
      const changed = changeGrants(shipped, (grant, { claims, request }) => {
        lastAsked = request;
        return changedFor(claims, grant);
      });
      policy = changed;
      return changed;
    },
  });
  const tokens = new Map<CallerName, string>();
  const world: World = {
    ...{ server, series: [] },
    get nowMs() {
      return nowMs;
    },
    set nowMs(ms) {
      nowMs = ms;
    },
    async token(name) {
      const { tenant = 'acme', roles = ['viewer'], claims = {} }: Caller = CALLERS[name];
      // A subject for each, so that limits for one are not met by all together.
      const further = { ...claims, caller: name, sub: `caller ${name}` };
      const token =
        tokens.get(name) ??
        (await server.token({ tenant, roles: [...roles], claims: further, ttlS: 43_200 }));
      tokens.set(name, token);
      return token;
    },
    lastAsked: () => lastAsked,
    async decisionFor(name, action) {
      const claims = claimsOf(await world.token(name));
      if (policy === undefined) throw new Error('the server has not asked for its policy');
      return policy.decide({ action, claims, nowMs });
    },
    async keepLetters() {
      const common = { receivedUs: NOW_MS * 1_000, code: 'kind_changed', reason: '', readings: 1 };
      const letters = world.series.map(({ tenant, asset, channel, labels, points }) => ({
        ...{ ...common, tenant, asset, topic: `t/${tenant}/${asset}/${channel}` },
        payload: Buffer.from(JSON.stringify({ ...labels, v: points.at(-1)?.v })),
      }));
      const nobodys = { ...common, tenant: null, topic: 'alone', payload: Buffer.from('x') };
      await insertDeadLetters(database.database, [...letters, nobodys]);
    },
    async write({ name: [asset, channel], tenant = 'acme', labels = {}, unit = null }, points) {
      const rows = points.map(({ t, v, q }) => [t, v, q] as const);
      const { id, kind } = await server.write(asset, channel, rows, { tenant, labels, unit });
      const at = world.series.findIndex((one) => one.id === id);
      const byTime = new Map(world.series[at]?.points.map((point) => [point.t, point]));
      for (const point of points) byTime.set(point.t, point);
      const known = [...byTime.values()].sort((a, b) => a.t - b.t);
      const one = { id, tenant, asset, channel, labels, unit, kind, points: known };
      world.series.splice(at < 0 ? world.series.length : at, at < 0 ? 0 : 1, one);
      return one;
    },
    async close() {
      await server.stop();
      await database.dispose();
    },
  };
  for (const [n, one] of series.entries()) await world.write(one, pointsOf(n, one));
  if (refresh) {
    const refresher = startRefresher({
      ...{ database: database.database, clock: () => NOW_MS },
      ...{ log: createLog('silent'), metrics: createMetrics() },
    });
    await refresher.refreshNow();
    await refresher.stop();
  }
  return world;
}

/** Late points and corrections, also where rollups have been. */
export async function writeLate(world: World): Promise<void> {
  for (const [n, one] of SERIES.entries()) {
    if (one.history !== 'long') continue;
    const kind = one.kind ?? 'number';
    const at = (ms: number, i: number) => ({
      t: Math.round((ms + n / 64) * 1_000) / 1_000,
      v: canary(n, 50_000 + i, kind),
      q: 0,
    });
    const known = pointsOf(n, one);
    const late = [3 * DAY_MS, 30 * HOUR_MS, 90 * MINUTE_MS].map((ago, i) => at(NOW_MS - ago, i));
    const corrected = [7, 300].map((i) => ({ ...known[i]!, v: canary(n, 60_000 + i, kind) }));
    await world.write(one, [...late, ...corrected]);
  }
}
