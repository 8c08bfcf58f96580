// Every frame of a tail to every caller, over WebSockets and event streams, while points and series come in, late ones
// and corrections too, and time goes by: nothing is in any of them that no decision of that time would have shown.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../program.ts';
import { connectTail, type Frame, openStream, type TailClient } from '../tail-client.ts';
import { leaksIn } from './answers.ts';
import { CALLER_NAMES, type CallerName } from './callers.ts';
import { type Hidden, hiddenFrom, seenPoints, visible } from './oracle.ts';
import {
  canary,
  type KnownSeries,
  type NewSeries,
  NOW_MS,
  openWorld,
  type World,
} from './world.ts';

const MINUTE_MS = 60_000;
const TAIL_SOURCES = new URL('../../query/tail/', import.meta.url);
/** What else stands after `type:` in those files: frames of the client's, and JSON Schema. */
const NO_SERVER_FRAMES = ['subscribe', 'unsubscribe', 'reauth', 'string', 'number', 'object'];

/** All that one caller was sent over one connection. */
interface Listener {
  readonly name: CallerName;
  readonly how: string;
  readonly frames: Frame[];
  /** Names that it said itself. */
  readonly said: string;
  readonly client: Pick<TailClient, 'send'> | undefined;
  close(): void;
}

const NAMES = [
  'rig-albatross/mud/pressure',
  'rig-bittern/mud/pressure',
  'rig-snipe/well/turnstone',
];
const FEW = '{asset="rig-albatross",channel=~"mud/.*"}';
const NEW_SERIES: readonly NewSeries[] = [
  { name: ['rig-albatross', 'mud/redstart'], labels: { crew: 'crew-siskin' }, history: 'fresh' },
  { name: ['rig-bittern', 'mud/rook'], labels: { classification: 'secret' }, history: 'fresh' },
  { tenant: 'zephyr', name: ['rig-albatross', 'mud/wren'], history: 'fresh' },
];

let world: World;
const listeners: Listener[] = [];
/** What there was whenever something may have been sent. */
const moments: { readonly nowMs: number; readonly series: readonly KnownSeries[] }[] = [];
/** Where the feed was before anything was written. */
const cursors = new Map<CallerName, string>();

/** Takes every frame that comes, until the client is closed. */
function listen(frames: Frame[], next: (type?: string) => Promise<Frame>): void {
  void (async () => {
    for (;;) frames.push(await next());
  })();
}

async function openSocket(name: CallerName, protocol: string, bearer?: string): Promise<Listener> {
  const { url } = world.server;
  const client = await connectTail({ url, protocol, bearer: bearer ?? (await world.token(name)) });
  const frames: Frame[] = [];
  listen(frames, client.next);
  const said = protocol === 'tailrace.msgpack' ? NAMES.join(' ') : FEW;
  const listener = {
    name,
    how: protocol,
    frames,
    said,
    client,
    close: () => client.socket.terminate(),
  };
  listeners.push(listener);
  return listener;
}

async function openEvents(name: CallerName): Promise<void> {
  const query = new URLSearchParams({ match: FEW, start: 'now-1h', step: '5m' });
  const authorization = `Bearer ${await world.token(name)}`;
  const stream = await openStream(`${world.server.url}/v1/tail?${query}`, { authorization });
  const frames: Frame[] = [];
  listen(frames, stream.next);
  listeners.push({
    name,
    how: 'events',
    frames,
    said: FEW,
    client: undefined,
    close: stream.abort,
  });
}

const count = (frames: readonly Frame[], ...types: string[]) =>
  frames.filter(({ type }) => types.includes(type)).length;

async function until(listener: Listener, amount: number, ...types: string[]): Promise<void> {
  const { frames, name, how } = listener;
  const seen = async () => [name, how, ...frames.map(({ type }) => type)];
  await eventually(seen, () => count(frames, ...types) >= amount);
}

/** Subscribes in every way, and waits until each is answered. */
async function follow(name: CallerName): Promise<void> {
  const snapshot = { start: 'now-2h', points: 'raw' };
  const json = await openSocket(name, 'tailrace.json');
  json.client?.send({ type: 'subscribe', id: 'all', match: '{}', snapshot });
  json.client?.send({ type: 'subscribe', id: 'few', match: FEW, snapshot: { start: 'now-1d' } });
  json.client?.send({ type: 'subscribe', id: 'some', match: '{crew=~"crew-.*"}' });
  await until(json, 3, 'subscribed', 'error');
  const packed = await openSocket(name, 'tailrace.msgpack');
  packed.client?.send({ type: 'subscribe', id: 'names', series: NAMES, snapshot });
  packed.client?.send({ type: 'reauth', token: await world.token(name) });
  await until(packed, 1, 'reauthed');
  await openEvents(name);
  const few = json.frames.find(({ type, id }) => type === 'subscribed' && id === 'few');
  cursors.set(name, few.cursor);
}

/** Later than anybody has been shown before, and in nobody's history. */
function point(one: NewSeries, n: number, t: number) {
  return {
    t: Math.round((t + n / 64) * 1_000) / 1_000,
    v: canary(n, 90_000 + Math.round(t % 997), one.kind ?? 'number'),
    q: 0,
  };
}

function remember(): void {
  moments.push({ nowMs: world.nowMs, series: [...world.series] });
}

function moveTo(ms: number): void {
  world.nowMs = ms;
  remember();
}

/** Points that are fresh, late and very late, and corrections, of every series; and new series. */
async function writeNews(): Promise<void> {
  const now = world.nowMs;
  for (const [n, one] of [...world.series].entries()) {
    const known = { ...one, name: [one.asset, one.channel], history: 'fresh' } as const;
    const written = { ...known, unit: one.unit ?? undefined } as NewSeries;
    const ages = [1_000, 20 * MINUTE_MS, 3 * 60 * MINUTE_MS];
    const corrected = one.points.slice(-1).map(({ t }) => ({ ...point(written, n, t), t }));
    const points = ages.map((age) => point(written, n, now - age));
    await world.write(written, [...points, ...corrected]);
  }
  for (const [n, one] of NEW_SERIES.entries()) {
    await world.write(one, [point(one, 50 + n, now - 2_000)]);
  }
}

const FOLLOWERS = CALLER_NAMES.filter((name) => name !== 'nobody');

beforeAll(async () => {
  world = await openWorld(undefined, { refresh: false });
  remember();
  for (const name of FOLLOWERS) await follow(name);
  const claims = { caller: 'minutes', sub: 'brief' };
  const brief = await world.server.token({ claims, ttlS: 120 });
  const ending = await openSocket('minutes', 'tailrace.json', brief);
  moveTo(NOW_MS + 31_000);
  await writeNews();
  remember();
  moveTo(NOW_MS + 100_000);
  await until(ending, 1, 'warning');
  moveTo(NOW_MS + 15 * MINUTE_MS);
  await until(ending, 1, 'bye');
  const all = listeners.filter(({ how, name }) => how === 'tailrace.json' && name !== 'no asset');
  for (const one of all) if (one !== ending) await until(one, 1, 'data', 'summary');
  for (const name of FOLLOWERS) {
    const again = await openSocket(name, 'tailrace.json');
    again.client?.send({ type: 'subscribe', id: 'again', match: FEW, since: cursors.get(name) });
    await until(again, 1, 'subscribed');
  }
  // Whatever is still on its way is there when a question that was asked after it is answered.
  for (const one of listeners.filter(
    ({ client, how }) => client !== undefined && how === 'tailrace.json',
  )) {
    if (one === ending) continue;
    one.client?.send({ type: 'nonsense' });
    await until(one, 1, 'error');
  }
});

afterAll(async () => {
  for (const one of listeners) one.close();
  await world.close();
});

/** What was hidden at every moment at which something may have been sent. */
async function hiddenAllAlong(name: CallerName): Promise<Hidden> {
  const decision = await world.decisionFor(name, 'tail');
  const shown = new Set<number | string>();
  for (const { nowMs, series } of moments) {
    for (const one of visible(decision, series)) {
      for (const { t, v } of seenPoints(decision, one, nowMs)) shown.add(t).add(v);
    }
  }
  const hidden = hiddenFrom(decision, world.series, world.nowMs);
  const never = <T extends number | string>(those: ReadonlySet<T>) =>
    new Set([...those].filter((one) => !shown.has(one)));
  return { ...hidden, numbers: never(hidden.numbers), states: never(hidden.states) };
}

function seriesIn(frame: Frame): number[] {
  const rows: number[][] = frame.points ?? frame.buckets ?? [];
  const named: { id: number }[] = frame.series ?? frame.added ?? [];
  return [...rows.map(([id]) => id ?? -1), ...named.map(({ id }) => id)];
}

it('sees a frame of every type that the server sends', () => {
  const sources = readdirSync(TAIL_SOURCES).filter((file) => !file.endsWith('.test.ts'));
  const types = sources.flatMap((file) =>
    Array.from(
      readFileSync(new URL(file, TAIL_SOURCES), 'utf8').matchAll(/\btype: '(\w+)'/g),
      ([, type]) => type ?? '',
    ),
  );
  const sent = new Set(types.filter((type) => !NO_SERVER_FRAMES.includes(type)));
  const seen = new Set(listeners.flatMap(({ frames }) => frames.map(({ type }) => type)));
  expect([...sent].filter((type) => !seen.has(type)).map((type) => `no case for ${type}`)).toEqual(
    [],
  );
  expect([...seen].filter((type) => !sent.has(type))).toEqual([]);
});

describe.each(FOLLOWERS)('%s', (name) => {
  it('is sent nothing hidden', async () => {
    const hidden = await hiddenAllAlong(name);
    for (const { how, said, frames } of listeners.filter((one) => one.name === name)) {
      for (const frame of frames) {
        const text = JSON.stringify(frame);
        expect(leaksIn(text, hidden, said), `${how}: ${text.slice(0, 500)}`).toEqual([]);
        expect(
          seriesIn(frame).filter((id) => hidden.ids.has(id)),
          text.slice(0, 500),
        ).toEqual([]);
      }
    }
  });

  it('is told of series as they may be seen, new ones too', async () => {
    const decision = await world.decisionFor(name, 'tail');
    const shown = visible(decision, world.series);
    const mine = listeners.filter((one) => one.name === name);
    const told = mine.flatMap(({ frames }) =>
      frames.flatMap(({ added = [], series = [] }) => [...added, ...series]),
    );
    for (const { id, asset, channel, labels, unit } of told) {
      expect(shown).toContainEqual(expect.objectContaining({ id, asset, channel, labels, unit }));
    }
  });
});

it('hidden and absent names are one error', async () => {
  const errors = async (series: string) => {
    const listener = await openSocket('some assets', 'tailrace.json');
    listener.client?.send({
      type: 'subscribe',
      id: 'x',
      series: [series],
      snapshot: { start: 'now-1h' },
    });
    await until(listener, 1, 'error');
    return JSON.stringify(listener.frames).replaceAll(series, '…');
  };
  const [hidden, absent] = [
    await errors('rig-bittern/mud/pressure'),
    await errors('rig-bittern/mud/pressurx'),
  ];
  expect(hidden).toBe(absent);
  expect(await errors(`${world.series.find(({ asset }) => asset === 'rig-bittern')?.id}`)).toBe(
    await errors('97'),
  );
});

it('who may not follow is let into no tail', async () => {
  await expect(openSocket('nobody', 'tailrace.json')).rejects.toMatchObject({ status: 403 });
});
