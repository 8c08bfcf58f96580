// Two query servers on one Redis: both tell the same points. Whichever process is killed, and whatever becomes of Redis,
// what a client has assembled is what a range says, and nothing that it has missed is kept from it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { tail } from '../../client/tail.ts';
import { createView, type View } from '../../client/view.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { type Device, startDevice } from '../device.ts';
import { type EventSourceClient, openEventSource } from '../event-source.ts';
import { type Mosquitto, startMosquitto } from '../mosquitto.ts';
import { eventually, issueToken, type Program, startProgram, withDataDir } from '../program.ts';
import { startProxy, type TcpProxy } from '../proxy.ts';
import { startRedis, type TestRedis } from '../redis.ts';

const CHANNELS = 8;
const WAVE = 400;
const BASE_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = {
  start: new Date(BASE_MS).toISOString(),
  end: new Date(BASE_MS + 3_600_000).toISOString(),
  ...{ points: 'raw', limit: 10_000 },
};
const MATCH = '{asset="rig"}';

interface Plant {
  readonly redis: TestRedis;
  readonly device: Device;
  readonly token: string;
  ingest(): Promise<Program>;
  query(): Promise<Program>;
}

/** A client that follows, from the first of the servers on. */
interface Follower {
  readonly view: View;
  /** What the `subscribed` frames said, in order. */
  readonly recovered: readonly (boolean | null)[];
  stop(): Promise<void>;
}

const ends: (() => unknown)[] = [];
let plant: Plant;

async function openPlant(dataDir: string): Promise<Plant> {
  const broker: Mosquitto = await startMosquitto();
  ends.push(() => broker.remove());
  const redis = await startRedis('port', { keepsData: true });
  ends.push(() => redis.stop());
  const database: TestDatabase = await openTestDatabase();
  ends.push(() => database.dispose());
  const device = startDevice({
    port: broker.port,
    message: (number) => ({
      topic: `t/acme/rig/c${number % CHANNELS}`,
      payload: `{"ts":${BASE_MS + Math.floor(number / CHANNELS)},"value":${number}}`,
    }),
  });
  ends.push(() => device.close());
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url, REDIS_URL: redis.url };
  const start = async (command: string, more: Record<string, string>) => {
    const program = await startProgram({ command, dataDir, env: { ...env, ...more } });
    ends.push(() => program.end('SIGKILL'));
    return program;
  };
  return {
    ...{ redis, device, token: await issueToken(dataDir, { tenant: 'acme', role: 'viewer' }) },
    query: () => start('query', {}),
    async ingest() {
      const program = await start('ingest', { INGEST_HTTP_PORT: '0' });
      const subscribed = ({ msg }: { msg: string }) => msg === 'MQTT: subscribed';
      await eventually(async () => program.log.some(subscribed), Boolean);
      return program;
    },
  };
}

function follow(servers: readonly Program[]): Follower {
  const view = createView();
  const recovered: (boolean | null)[] = [];
  const stopping = new AbortController();
  const frames = tail({
    ...{ url: servers.map(({ httpUrl }) => httpUrl), token: () => plant.token },
    ...{ match: MATCH, snapshot: RANGE, signal: stopping.signal },
    WebSocket: WebSocket as never,
  });
  const following = (async () => {
    for await (const frame of frames) {
      if (frame.type === 'subscribed') recovered.push(frame.recovered);
      view.take(frame);
    }
  })();
  const stop = () => {
    stopping.abort();
    return following;
  };
  ends.push(stop);
  return { view, recovered, stop };
}

/** As a page does that has nothing but EventSource: by a ticket of the first server, at an address for both. */
async function followByEventSource(
  { httpUrl }: Program,
  { port }: TcpProxy,
): Promise<Follower & Pick<EventSourceClient, 'statuses'>> {
  const headers = { authorization: `Bearer ${plant.token}` };
  const response = await fetch(`${httpUrl}/v1/tickets`, { method: 'POST', headers });
  const { ticket } = (await response.json()) as { ticket: string };
  const query = new URLSearchParams({ match: MATCH, ticket });
  for (const [name, value] of Object.entries(RANGE)) query.set(name, String(value));
  const view = createView();
  const recovered: (boolean | null)[] = [];
  const source = openEventSource(`http://127.0.0.1:${port}/v1/tail?${query}`, (frame) => {
    if (frame.type === 'subscribed') recovered.push(frame.recovered);
    view.take(frame);
  });
  ends.push(source.stop);
  return { view, recovered, stop: source.stop, statuses: source.statuses };
}

type Lines = Readonly<Record<number, readonly (readonly [t: number, v: unknown])[]>>;

function linesOf(view: View): Lines {
  return Object.fromEntries(
    view.seriesIds.map((id) => [id, view.points(id).map(({ t, v }) => [t, v] as const)]),
  );
}

async function rangeOf({ httpUrl }: Program): Promise<Lines> {
  const query = new URLSearchParams({ match: MATCH });
  for (const [name, value] of Object.entries(RANGE)) query.set(name, String(value));
  const response = await fetch(`${httpUrl}/v1/range?${query}`, {
    headers: { authorization: `Bearer ${plant.token}` },
  });
  const answer = (await response.json()) as {
    series: readonly { id: number; t: readonly number[]; v: readonly number[] }[];
  };
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return Object.fromEntries(
    answer.series.map(({ id, t, v }) => [id, t.map((at, i) => [at, v[i]])]),
  );
}

const countOf = (lines: Lines) => Object.values(lines).reduce((sum, line) => sum + line.length, 0);

/** Lets the device publish so many; what was acknowledged by then. */
async function publish(messages: number): Promise<number> {
  const { device } = plant;
  device.allow(messages);
  const all = device.allowed();
  await eventually(
    async () => device.acknowledged.size,
    (size) => size === all,
  );
  return all;
}

/** Waits until these have so many points, and sees that they are what a range says. */
async function expectWhole(
  followers: readonly Follower[],
  server: Program,
  points: number,
): Promise<void> {
  for (const { view } of followers) {
    await eventually(
      async () => countOf(linesOf(view)),
      (count) => count === points,
    );
    expect(view.dropped).toBe(0);
  }
  const range = await rangeOf(server);
  expect(countOf(range)).toBe(points);
  for (const { view } of followers) expect(linesOf(view)).toEqual(range);
}

let release: () => void = () => {};
let closed: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  await new Promise<void>((opened, failed) => {
    closed = withDataDir(async (dataDir) => {
      plant = await openPlant(dataDir);
      opened();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    closed.catch(failed);
  });
});

afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  release();
  await closed;
});

it('tell the same points; what is killed or taken away loses none, and what was missed is said', async () => {
  const { redis, device } = plant;
  let ingester = await plant.ingest();
  const [first, second] = [await plant.query(), await plant.query()];
  await publish(WAVE);
  const ofFirst = [1, 2, 3].map(() => follow([first, second]));
  const ofSecond = follow([second]);
  let inFront = first;
  const proxy = await startProxy(() => ({
    ...{ host: '127.0.0.1', port: Number(new URL(inFront.httpUrl).port) },
  }));
  ends.push(() => proxy.close());
  const byTicket = await followByEventSource(first, proxy);
  const all = [...ofFirst, ofSecond, byTicket];
  await expectWhole(all, first, WAVE);
  await expectWhole(all, second, await publish(WAVE));

  // A query server is killed while its clients follow: they go on at the other, behind what they have.
  device.allow(WAVE);
  await eventually(
    async () => countOf(linesOf(ofSecond.view)),
    (count) => count > 2 * WAVE,
  );
  inFront = second;
  await first.end('SIGKILL');
  await expectWhole(all, second, await publish(WAVE));
  for (const { recovered } of [...ofFirst, byTicket]) expect(recovered).toEqual([null, true]);
  expect(byTicket.statuses).toEqual([200, 200]);
  expect(ofSecond.recovered).toEqual([null]);

  // Redis is away: senders are acknowledged all the same, ranges answer, and charts go on by snapshots.
  const told = (follower: Follower) => follower.recovered.filter((one) => one === false).length;
  await redis.kill();
  await expectWhole(all, second, await publish(WAVE));
  for (const one of all) expect(told(one)).toBeGreaterThan(0);

  // It is back with what it had, and later without: neither is silent.
  await redis.start();
  await expectWhole(all, second, await publish(WAVE));
  const before = all.map(told);
  await redis.kill();
  redis.forget();
  await redis.start();
  await expectWhole(all, second, await publish(WAVE));
  for (const [i, one] of all.entries()) {
    await eventually(
      async () => told(one),
      (times) => times > (before[i] ?? 0),
    );
  }

  // An ingester is killed at work.
  device.allow(WAVE);
  await eventually(
    async () => device.acknowledged.size,
    (size) => size > device.allowed() - WAVE,
  );
  await ingester.end('SIGKILL');
  ingester = await plant.ingest();
  await expectWhole(all, second, await publish(WAVE));
  for (const one of all) await one.stop();
  expect(await second.end('SIGTERM')).toBe(0);
  expect(await ingester.end('SIGTERM')).toBe(0);
});
