// Hidden equals absent, to the byte but for ids: whatever is asked about a series that the caller may not see is answered
// as if it had never been created, and nothing that is written to it shows anywhere.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AskOptions, ask } from './answers.ts';
import type { CallerName } from './callers.ts';
import { type KnownSeries, type NewSeries, NOW_MS, openWorld, type World } from './world.ts';

const MINUTE_MS = 60_000;
/** Of as many digits as the hidden ids, and never given. */
const ABSENT_ID = 98;
const SPAN = `start=${NOW_MS / 1_000 - 3_600}&end=${NOW_MS / 1_000}`;
const SSE = { headers: { accept: 'text/event-stream' } };

/** Enough series before it that the hidden ones have two digits. */
const FILLERS: readonly NewSeries[] = Array.from({ length: 9 }, (_, n) => ({
  name: ['rig-albatross', `filler/${n}`] as const,
  history: 'fresh' as const,
}));
const HIDDEN: NewSeries = {
  name: ['rig-bittern', 'mud/heron'],
  labels: { classification: 'secret', crew: 'crew-ibis' },
  history: 'short',
};
const FOREIGN: NewSeries = {
  tenant: 'zephyr',
  name: ['rig-bittern', 'mud/egret'],
  labels: { classification: 'secret', crew: 'crew-ibis' },
  history: 'short',
};

let world: World;
let hidden: KnownSeries;
let foreign: KnownSeries;

beforeAll(async () => {
  world = await openWorld([...FILLERS, HIDDEN, FOREIGN], { refresh: false });
  const find = ({ name }: NewSeries) => world.series.find(({ channel }) => channel === name[1])!;
  [hidden, foreign] = [find(HIDDEN), find(FOREIGN)];
});

afterAll(() => world.close());

/** Who may not see it, and why. */
const BLIND: readonly CallerName[] = [
  'some assets',
  'no asset',
  'a clearance',
  'everything',
  'nobody',
];

type Of = { readonly id: number; readonly name: string };

type Path = (of: Of) => string | Promise<string>;

const QUESTIONS: readonly (readonly [what: string, path: Path, how?: AskOptions])[] = [
  ['a range by name', ({ name }) => `/v1/range?series=${name}&${SPAN}`],
  ['a range by id', ({ id }) => `/v1/range?series=${id}&${SPAN}`],
  ['a raw range', ({ name }) => `/v1/range?series=${name}&${SPAN}&points=raw&format=csv`],
  [
    'a raw range as arrow',
    ({ name }) => `/v1/range?series=${name}&${SPAN}&points=raw&format=arrow`,
  ],
  ['intervals', ({ name }) => `/v1/range?series=${name}&${SPAN}&agg=intervals`],
  ['time in state', ({ id }) => `/v1/range?series=${id}&${SPAN}&agg=time_in_state&tz=Asia/Kabul`],
  [
    'a comparison by every aggregate',
    ({ name }) =>
      `/v1/range?${matchOf(name)}&${SPAN}&offset=30m&agg=mean,p95,twa,rate,delta&fill=previous`,
  ],
  ['a range explained', ({ name }) => `/v1/range?${matchOf(name)}&${SPAN}&explain=1`],
  [
    'a range that costs too much',
    ({ name }) => `/v1/range?series=${name}&start=2020-01-01T00:00:00Z&step=1ms`,
  ],
  [
    'a range beside one that is there',
    ({ name }) => `/v1/range?series=rig-albatross/filler/1&series=${name}&${SPAN}&step=1m`,
  ],
  ['a range by selector', ({ name }) => `/v1/range?${matchOf(name)}&${SPAN}`],
  ['latest by name', ({ name }) => `/v1/latest?series=${name}`],
  ['latest by id', ({ id }) => `/v1/latest?series=${id}`],
  ['latest by selector', ({ name }) => `/v1/latest?${matchOf(name)}`],
  ['a listing by selector', ({ name }) => `/v1/series?${matchOf(name)}`],
  ['a listing that begins there', ({ id }) => `/v1/series?limit=3&page=${id}`],
  ['a stream by name', ({ name }) => `/v1/tail?series=${name}`, SSE],
  ['a stream by id', ({ id }) => `/v1/tail?series=${id}`, SSE],
  ['a stream that is none', ({ name }) => `/v1/tail?series=${name}`],
  ['a head', ({ name }) => `/v1/range?series=${name}&${SPAN}`, { method: 'HEAD' }],
  ['options', ({ name }) => `/v1/range?series=${name}&${SPAN}`, { method: 'OPTIONS' }],
  ['another method', ({ name }) => `/v1/range?series=${name}`, { method: 'POST' }],
  ['a page that ends there', ({ id }) => pageAfter(id)],
];

const ABOUT = QUESTIONS.map(([what, path, how = {}]) => [what, path, how] as const);

function matchOf(name: string): string {
  const [asset, ...channel] = name.split('/');
  return `match=${encodeURIComponent(`{asset="${asset}",channel="${channel.join('/')}"}`)}`;
}

/** A page as the server writes them: nothing in it is secret, so it can be made up. */
async function pageAfter(id: number): Promise<string> {
  const query = `series=rig-albatross/filler/1&points=raw&${SPAN}`;
  const parameters = JSON.stringify([...new URLSearchParams(query)].sort());
  const hash = await crypto.subtle.digest('SHA-256', Buffer.from(parameters));
  const question = Buffer.from(hash).toString('base64url').slice(0, 16);
  // A longer domain than the question's.
  const [startUs, endUs] = [NOW_MS * 1_000 - 7_200e6, NOW_MS * 1_000];
  const fields = [question, startUs, endUs, id, NOW_MS * 1_000 - 1_800e6];
  return `/v1/range?${query}&page=${Buffer.from(JSON.stringify(fields)).toString('base64url')}`;
}

/** An answer without what is new each time, and with the names that were asked for as one name. */
async function masked(name: CallerName, path: string, of: Of, how: AskOptions) {
  const { status, headers, text } = await ask(world, name, path, how);
  // Ids of decisions are of different lengths.
  const { date: _d, 'content-length': _l, traceparent: _t, ...others } = headers;
  const { etag, 'tailrace-decision': _i, ...rest } = others;
  const mask = (one: string) =>
    one
      .replace(/"(decision_id|cursor)":"[^"]*"/g, '"$1":"…"')
      .replaceAll(of.name, '…')
      .replaceAll(encodeURIComponent(of.name), '…')
      .replace(new RegExp(`\\b${of.id}\\b`, 'g'), '…');
  return { status, etag, headers: mask(JSON.stringify(rest)), body: mask(text) };
}

/** What the other tenant has is hidden from everybody here; the rest from those who may not see it. */
const PAIRS = [
  ...BLIND.map((name) => [name, 'a hidden series', () => hidden] as const),
  ...(['the whole tenant', 'an admin', 'minutes'] as const).map(
    (name) => [name, "another tenant's series", () => foreign] as const,
  ),
];

describe.each(PAIRS)('to %s, %s is answered as one that never was', (name, _what, series) => {
  it.each(ABOUT)('%s', async (_about, path, how) => {
    const { id, asset, channel } = series();
    const there = { id, name: `${asset}/${channel}` };
    const absent = { id: ABSENT_ID, name: there.name.replace(/.....$/, 'xxxxx') };
    expect(await masked(name, await path(there), there, how)).toEqual(
      await masked(name, await path(absent), absent, how),
    );
  });
});

describe('probes of redacted labels tell nothing', () => {
  const probes = ['crew="crew-ibis"', 'crew=~"crew-i.*"', 'crew!="crew-ibis"', 'crew!~"crew-i.*"'];

  it.each(probes)('{%s}', async (probe) => {
    const asked = (text: string) =>
      ask(world, 'redacted labels', `/v1/series?match=${encodeURIComponent(`{${text}}`)}`);
    // The same as a label that no series has.
    const [there, absent] = [await asked(probe), await asked(probe.replaceAll('crew', 'none'))];
    expect(there.text).toBe(absent.text);
    expect(there.headers.etag).toBe(absent.headers.etag);
  });

  it.each(['asset', 'channel', 'unit'])(
    '{%s=~".+"} finds nothing where it is redacted',
    async (label) => {
      const match = encodeURIComponent(`{${label}=~".+"}`);
      const { json } = await ask(world, 'redacted names', `/v1/series?match=${match}`);
      expect(json).toEqual({ series: [] });
    },
  );

  it('names are not known either where they are redacted', async () => {
    for (const path of ['range', 'latest', 'tail']) {
      const url = `/v1/${path}?series=rig-albatross/filler/1&${SPAN}`;
      const { status, json } = await ask(world, 'redacted names', url, path === 'tail' ? SSE : {});
      expect([path, status, json?.code]).toEqual([path, 404, 'unknown_series']);
    }
  });
});

describe('what is hidden changes no ETag', () => {
  const paths = [
    '/v1/series',
    '/v1/series?limit=2',
    '/v1/latest?match={}',
    `/v1/range?match={}&${SPAN}&step=1m`,
    `/v1/range?match={}&${SPAN}&points=raw&format=csv`,
    '/v1/me',
  ];

  async function tags(name: CallerName) {
    const answers = await Promise.all(paths.map((path) => ask(world, name, path)));
    return answers.map(({ headers }, i) => [paths[i], headers.etag]);
  }

  const CHANGES: readonly (readonly [
    what: string,
    name: CallerName,
    change: () => Promise<unknown>,
  ])[] = [
    ['a point of a hidden series', 'some assets', () => writeTo(HIDDEN, NOW_MS - MINUTE_MS)],
    ['a point of another tenant', 'an admin', () => writeTo(FOREIGN, NOW_MS - MINUTE_MS)],
    [
      'a new hidden series',
      'a clearance',
      () => writeTo({ ...HIDDEN, name: ['rig-bittern', 'new/rook'] }, NOW_MS - MINUTE_MS),
    ],
    ['a point that is too fresh', 'five minutes late', () => writeTo(FILLERS[0]!, NOW_MS - 1_000)],
    [
      'a point that is too old',
      'the last hour',
      () => writeTo(FILLERS[1]!, NOW_MS - 2 * 3_600_000),
    ],
  ];

  function writeTo(one: NewSeries, t: number) {
    return world.write(one, [{ t, v: 4_711, q: 0 }]);
  }

  it.each(CHANGES)('%s (%s)', async (_what, name, change) => {
    const before = await tags(name);
    await change();
    expect(await tags(name)).toEqual(before);
    for (const [path, etag] of before) {
      const again = await ask(world, name, path!, { headers: { 'if-none-match': etag! } });
      expect([path, again.status, again.text]).toEqual([path, 304, '']);
    }
  });
});

describe('a page', () => {
  it('of one caller shows another only what is its own', async () => {
    const query = `/v1/range?match={}&${SPAN}&points=raw&limit=20`;
    const { json } = await ask(world, 'the whole tenant', query);
    const next = encodeURIComponent(json.next);
    const { json: other } = await ask(world, 'some assets', `${query}&page=${next}`);
    const { json: own } = await ask(world, 'some assets', query);
    const ids = (body: typeof json) => body.series.map(({ id }: { id: number }) => id);
    expect(ids(other)).toEqual(ids(own));
  });

  it('that is made up opens no other domain than its caller may see', async () => {
    const path = await pageAfter(world.series[1]!.id);
    const { json } = await ask(world, 'five minutes late', path);
    expect(json.series).toHaveLength(1);
    for (const { t } of json.series) {
      expect(Math.max(0, ...t)).toBeLessThan(NOW_MS - 5 * MINUTE_MS);
    }
  });

  it('that is made up is decided on by the domain that is read', async () => {
    await ask(world, 'the whole tenant', await pageAfter(world.series[1]!.id));
    expect(world.lastAsked()).toMatchObject({ start: NOW_MS - 7_200_000, end: NOW_MS });
  });
});
