// An event stream whose client is silent, slow, or takes nothing at all: HTTP has no limits of a WebSocket's, so these
// are the stream's own.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import type { Frame } from '../../test/tail-client.ts';

/** More than sockets hold. */
const LARGE = 24_000_000;
const MB = 1_000_000;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let nowMs = Date.UTC(2026, 0, 2, 12);
let seriesId: number;
let fed = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database, clock: () => nowMs });
  token = await server.token({ ttlS: 36_000 });
  ({ id: seriesId } = await server.write('rig-1', 'activity', [[nowMs, 'drilling']]));
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

interface Reader {
  /** All that was read. */
  text(): string;
  frames(): Frame[];
  pause(): void;
  /** Takes about so many bytes more. */
  read(bytes: number): Promise<void>;
  /** Reads on to the end, or until it breaks off. */
  readOn(): void;
}

function framesIn(text: string): Frame[] {
  return Array.from(text.matchAll(/^data: (.*)$/gm), ([, data = '']) => JSON.parse(data));
}

async function openReader(more = ''): Promise<Reader> {
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  const url = `${server.url}/v1/tail?series=rig-1/activity${more}`;
  const asked = request(url, { headers, agent: false });
  asked.on('error', () => undefined);
  asked.end();
  onTestFinished(() => void asked.destroy());
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: string[] = [];
  let bytes = 0;
  let stopAt = Number.POSITIVE_INFINITY;
  response.setEncoding('latin1');
  response.on('error', () => undefined);
  response.on('data', (chunk: string) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= stopAt) response.pause();
  });
  const text = () => chunks.join('');
  return {
    text,
    frames: () => framesIn(text()),
    pause: () => void response.pause(),
    async read(more) {
      stopAt = bytes + more;
      response.resume();
      await expect.poll(() => bytes, { timeout: 10_000 }).toBeGreaterThanOrEqual(stopAt);
    },
    readOn() {
      stopAt = Number.POSITIVE_INFINITY;
      response.resume();
    },
  };
}

/** Opens one who has read its `subscribed`, and reads nothing more until it is told to. */
async function openPaused(): Promise<Reader> {
  const reader = await openReader();
  await expect.poll(() => reader.frames().length).toBe(1);
  reader.pause();
  return reader;
}

async function feedText(characters: number): Promise<void> {
  fed += 1;
  await server.feed.append({
    kind: 'readings',
    seriesIds: [seriesId],
    timesUs: [fed],
    values: [String(fed).padEnd(characters, 'x')],
    qualities: [0],
  });
}

async function gauge(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

it('is told first when to come back, and hears a comment every 15 s', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const reader = await openReader();
  await expect.poll(() => reader.frames().length).toBe(1);
  expect(reader.text()).toMatch(/^retry: 2000\n\nevent: subscribed\n/);
  const comments = () => reader.text().match(/^: alive\n\n/gm)?.length ?? 0;
  vi.advanceTimersByTime(15_000);
  await expect.poll(comments).toBe(1);
  vi.advanceTimersByTime(30_000);
  await expect.poll(comments).toBe(3);
});

it('is followed as long as it takes something, and given up when it takes nothing', async () => {
  const [slow, stuck] = [await openPaused(), await openPaused()];
  const before = await gauge('tailrace_tail_connections_size');
  await feedText(LARGE);
  await expect
    .poll(
      async () => {
        nowMs += 2_000;
        await slow.read(MB);
        return gauge('tailrace_tail_connections_size');
      },
      { timeout: 20_000 },
    )
    .toBeLessThan(before);
  // The clock was looked at for both.
  expect(await gauge('tailrace_tail_connections_size')).toBe(before - 1);
  slow.readOn();
  await feedText(10);
  const isSent = (reader: Reader) => reader.text().includes(`"${String(fed).padEnd(10, 'x')}"`);
  await expect.poll(() => isSent(slow), { timeout: 10_000 }).toBe(true);
  expect(slow.frames().map(({ type }) => type)).toEqual(['subscribed', 'data', 'data']);
  stuck.readOn();
  await expect.poll(() => stuck.frames().at(-1)?.type, { timeout: 10_000 }).toBe('bye');
  expect(stuck.frames().at(-1)).toMatchObject({ code: 4408, dropped: 0 });
});

it('is sent every point that it missed, however slowly it reads', async () => {
  const { epoch, offset } = await server.feed.position();
  const before = fed;
  for (let i = 0; i < 400; i += 1) await feedText(50_000);
  const reader = await openReader(`&since=${epoch}.${offset.toString(36)}`);
  await expect.poll(() => reader.frames().length).toBeGreaterThan(1);
  reader.pause();
  // What comes while it does not read is sent behind.
  await feedText(10);
  for (let i = 0; i < 5; i += 1) await reader.read(MB);
  reader.readOn();
  const points = () => reader.frames().flatMap((frame) => frame.points ?? []);
  await expect.poll(() => points().length, { timeout: 20_000 }).toBe(401);
  expect(points().map(([, , text]) => Number.parseInt(text, 10))).toEqual(
    Array.from({ length: 401 }, (_, i) => before + 1 + i),
  );
  expect(reader.frames().some(({ dropped }) => dropped > 0)).toBe(false);
});

it('is told at its end how many points it was not sent', async () => {
  const reader = await openPaused();
  const [delivered, dropped, fedBefore] = [
    await gauge('tailrace_tail_delivered_total'),
    await gauge('tailrace_tail_dropped_total'),
    fed,
  ];
  await feedText(LARGE);
  const before = await gauge('tailrace_tail_connections_size');
  const waiting = 40;
  for (let i = 0; i < waiting; i += 1) await feedText(100_000);
  await expect
    .poll(
      async () => {
        nowMs += 21_000;
        return gauge('tailrace_tail_connections_size');
      },
      { timeout: 20_000 },
    )
    .toBe(before - 1);
  reader.readOn();
  await expect.poll(() => reader.frames().at(-1)?.type, { timeout: 10_000 }).toBe('bye');
  const frames = reader.frames();
  const sum = (of: (frame: Frame) => number) => frames.reduce((all, one) => all + of(one), 0);
  const told = [sum(({ points = [] }) => points.length), sum((frame) => frame.dropped ?? 0)];
  expect(frames.at(-1)).toMatchObject({ code: 4408 });
  expect(frames.at(-1).dropped).toBeGreaterThan(0);
  expect((told[0] ?? 0) + (told[1] ?? 0)).toBe(fed - fedBefore);
  expect([
    (await gauge('tailrace_tail_delivered_total')) - delivered,
    (await gauge('tailrace_tail_dropped_total')) - dropped,
  ]).toEqual(told);
});
