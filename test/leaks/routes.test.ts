// Every route to every caller: nothing that its decision hides is in any answer. The list of routes is the server's own,
// so that a new one fails here until it has its case.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '../../policies/grant.ts';
import { type AskOptions, ask, leaksOf } from './answers.ts';
import { CALLER_NAMES, type CallerName } from './callers.ts';
import { type Decision, hiddenFrom, matching, seenPoints, visible } from './oracle.ts';
import { NOW_MS, openWorld, type World, writeLate } from './world.ts';

interface Case extends AskOptions {
  /** What is asked for; `/v1/me` shows what every action may. */
  readonly action: Action | 'nothing' | 'all';
  readonly path: string;
}

const HIDDEN_NAMES = 'series=rig-bittern/mud/pressure&series=rig-snipe/well/turnstone';
const SPAN = `start=${NOW_MS / 1_000 - 400_000}&end=${NOW_MS / 1_000}`;
const SSE = { headers: { accept: 'text/event-stream' } };

function ranges(): Case[] {
  const questions = [
    ...['points=raw&limit=50', 'step=1h&agg=m4,mean,stddev', 'step=1h&fill=previous', 'width=100'],
    ...['step=2h&fill=linear', 'step=6h&fill=null&agg=count', 'step=bad', 'step=1ms', 'page=e30'],
  ];
  const formats = ['json', 'csv', 'ndjson', 'msgpack', 'arrow', 'xml'];
  return [
    ...questions.map((question) => `match={}&${SPAN}&${question}`),
    ...formats.map((format) => `match={}&${SPAN}&step=1h&format=${format}`),
    `${HIDDEN_NAMES}&${SPAN}`,
    `series=1&series=7&${SPAN}`,
    `match={asset=~"rig-b.*|rig-s.*"}&${SPAN}`,
    `match={crew="crew-heron"}&${SPAN}`,
    'match={}',
  ].map((query) => ({ action: 'range', path: `/v1/range?${query}` }));
}

const revocation = { method: 'POST', headers: { 'content-type': 'application/json' } };

function writes(path: string): Case[] {
  const how = { action: 'nothing', path, method: 'POST' } as const;
  return ['mud pressure=1', 'nonsense', ''].map((body) => ({ ...how, body }));
}

/** Every route that the server has, each with the ways in which it is asked. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  'GET /v1/series': [
    ...['', '?limit=2', '?match={}', '?match={asset=~"rig-b.*"}', '?match={site=~"s.*"}'],
    ...['?match={nonsense', '?page=3', '?page=x', '?limit=0', '?match={crew!="",surcharge=""}'],
  ].map((query) => ({ action: 'series', path: `/v1/series${query}` })),
  'GET /v1/range': ranges(),
  'GET /v1/latest': [
    ...['match={}', HIDDEN_NAMES, 'series=7', 'match={sensor!=""}', 'match={unit="m-gannet"}', ''],
  ].map((query) => ({ action: 'latest', path: `/v1/latest?${query}` })),
  // As streams and sockets in frames.test.ts; here what is refused.
  'GET /v1/tail': [
    { action: 'tail', path: '/v1/tail?match={}' },
    { action: 'tail', path: `/v1/tail?${HIDDEN_NAMES}`, ...SSE },
    { action: 'tail', path: '/v1/tail?ticket=unknown&match={}', ...SSE },
    { action: 'tail', path: '/v1/tail?match={}&start=now-1h&step=nonsense', ...SSE },
  ],
  'POST /v1/tickets': [{ action: 'tail', path: '/v1/tickets', method: 'POST' }],
  'GET /v1/me': [{ action: 'all', path: '/v1/me' }],
  'GET /v1/decisions': [
    { action: 'decisions', path: '/v1/decisions?limit=200' },
    { action: 'decisions', path: '/v1/decisions?action=range&allowed=true' },
  ],
  'GET /v1/dead-letters': [
    ...['', '?limit=2', '?topic=t/%2B/%23', '?topic=t/acme/rig-b', '?code=kind_changed&page=x'],
  ].map((query) => ({ action: 'dead-letters', path: `/v1/dead-letters${query}` })),
  // The ids of all letters, hidden ones among them, and of none.
  'POST /v1/dead-letters/{id}/replay': [
    ...Array.from({ length: 16 }, (_, i) => String(i)),
    ...['99', 'x'],
  ].map((id) => ({
    ...{ action: 'dead-letters', path: `/v1/dead-letters/${id}/replay`, method: 'POST' },
  })),
  'GET /v1/revocations': [{ action: 'nothing', path: '/v1/revocations' }],
  'POST /v1/revocations': [
    {
      action: 'nothing',
      path: '/v1/revocations',
      ...revocation,
      body: '{"subject":"someone-wigeon"}',
    },
    { action: 'nothing', path: '/v1/revocations', ...revocation, body: '{"nonsense":1}' },
  ],
  // What is hidden and written to in writes.test.ts: here the log of decisions would say what was asked itself.
  'POST /v1/write': writes('/v1/write?asset=rig-nowhere'),
  'POST /api/v2/write': writes('/api/v2/write?bucket=rig-nowhere'),
  'POST /write': writes('/write?db=rig-nowhere'),
  'POST /query': [{ action: 'nothing', path: '/query?q=SHOW+SERIES', method: 'POST', body: '' }],
  'GET /ping': [{ action: 'nothing', path: '/ping' }],
  'GET /v1/sign-in': [{ action: 'nothing', path: '/v1/sign-in' }],
  'GET /healthz': [{ action: 'nothing', path: '/healthz' }],
  'GET /readyz': [{ action: 'nothing', path: '/readyz' }],
  'GET /metrics': [{ action: 'nothing', path: '/metrics' }],
  'GET /openapi.json': [{ action: 'nothing', path: '/openapi.json' }],
  'GET /docs': [{ action: 'nothing', path: '/docs' }],
};

let world: World;

beforeAll(async () => {
  world = await openWorld();
  await writeLate(world);
  await world.keepLetters();
});

afterAll(() => world.close());

/** The decision by which an answer is judged; what a log of decisions says of series is what they are called. */
async function decisionOf(name: CallerName, action: Case['action']): Promise<Decision> {
  if (action !== 'nothing' && action !== 'all') return world.decisionFor(name, action);
  const decision = await world.decisionFor(name, 'series');
  return { ...decision, allow: false };
}

it('has a case for each route of the server', async () => {
  const { paths } = (await ask(world, undefined, '/openapi.json')).json;
  const routes = Object.entries(paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const missing = routes.filter((route) => CASES[route] === undefined);
  expect(missing.map((route) => `no case for ${route}`)).toEqual([]);
  expect(Object.keys(CASES).filter((route) => !routes.includes(route))).toEqual([]);
});

describe.each(CALLER_NAMES)('%s is shown nothing hidden by', (name) => {
  it.each(Object.entries(CASES))('%s', async (_route, cases) => {
    for (const [i, { action, path, ...how }] of cases.entries()) {
      const decision = await decisionOf(name, action);
      const hidden = hiddenFrom(decision, world.series, world.nowMs);
      // What a decision says of series is told to whom it is about.
      const told = action === 'all' ? JSON.stringify(await grantsOf(name)) : '';
      const others = i === 0 && how.method === undefined ? ['HEAD', 'OPTIONS'] : [];
      for (const method of [how.method ?? 'GET', ...others]) {
        const answer = await ask(world, name, path, { ...how, method });
        expect(leaksOf(answer, hidden, path + told), `${method} ${path}`).toEqual([]);
        expect(answer.status, `${method} ${path}`).not.toBe(500);
      }
    }
  });
});

async function grantsOf(name: CallerName) {
  const { selectors, obligations } = await world.decisionFor(name, 'range');
  return [selectors, obligations];
}

describe('without a token', () => {
  it.each(Object.entries(CASES))('nothing is shown by %s', async (_route, cases) => {
    const nobody = await decisionOf('nobody', 'nothing');
    const hidden = hiddenFrom(nobody, world.series, world.nowMs);
    for (const { path, action: _, ...how } of cases) {
      const answer = await ask(world, undefined, path, how);
      expect(leaksOf(answer, hidden, path), path).toEqual([]);
    }
  });
});

describe.each(CALLER_NAMES)('%s is listed exactly what it may see', (name) => {
  /** All pages of a listing. */
  async function list(query: string) {
    const found: { id: number }[] = [];
    for (let page = ''; ; ) {
      const { json } = await ask(world, name, `/v1/series?${query}${page}`);
      found.push(...json.series);
      if (json.next === undefined) return found;
      page = `&page=${json.next}`;
    }
  }

  it.each(['', 'limit=2', 'match={crew=~"crew.*"}&limit=3'])('by /v1/series?%s', async (query) => {
    const decision = await world.decisionFor(name, 'series');
    if (!decision.allow) return;
    const selector = query.includes('crew')
      ? [{ label: 'crew', op: '=~', value: 'crew.*' } as const]
      : [];
    const expected = matching(decision, world.series, selector).map((one) => {
      const seen = seenPoints(decision, one, world.nowMs).map(({ t }) => t);
      const { id, asset, channel, labels, unit, kind } = one;
      const ends = { first: seen.length === 0 ? null : Math.min(...seen) };
      const last = seen.length === 0 ? null : Math.max(...seen);
      return { id, asset, channel, labels, unit, kind, index: 'time', ...ends, last };
    });
    expect(await list(query)).toEqual(expected);
  });

  it('by /v1/latest, of which it is the newest', async () => {
    const decision = await world.decisionFor(name, 'latest');
    const { json, status } = await ask(world, name, '/v1/latest?match={}');
    const shown = visible(decision, world.series);
    const { max_series: max = shown.length } = decision.obligations;
    if (!decision.allow || shown.length > max) {
      expect([status, json.code]).toEqual([403, 'forbidden']);
      return;
    }
    const expected = shown.flatMap((one) => {
      const { id, asset, channel, labels, unit } = one;
      const seen = seenPoints(decision, one, world.nowMs).toSorted((a, b) => a.t - b.t);
      const last = seen.at(-1);
      if (last === undefined) return [];
      const { t, v } = last;
      // Buckets have no quality.
      const q = decision.obligations.finest_step_ms === undefined ? last.q : 0;
      const quality = q === 0 ? {} : { q };
      const age_ms = Math.round(world.nowMs - t);
      return [{ id, asset, channel, labels, unit, t, v, ...quality, age_ms }];
    });
    expect(json.series).toEqual(expected);
  });
});
