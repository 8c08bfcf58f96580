// The claim that m4 draws the same line as the raw points where buckets are pixel columns, looked at: in a real Chromium,
// as the plainest of charts draws a line, through every point in turn, column by column.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type Refresher, startRefresher } from '../store/refresher.ts';
import { launchChromium } from './chromium.ts';
import { openTestDatabase, type TestDatabase } from './database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from './query-server.ts';

const START = Date.UTC(2026, 2, 27, 23);
const HEIGHT = 300;

/** What of a browser's canvas is used; the rest of the page's types would reach what the page does not. */
interface Canvas {
  width: number;
  height: number;
  getContext(kind: '2d', options: { readonly willReadFrequently: boolean }): Context | null;
}
interface Context {
  fillRect(x: number, y: number, width: number, height: number): void;
  getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
}
declare const document: { createElement(name: 'canvas'): Canvas };

let database: TestDatabase;
let server: TestQueryServer;
let refresher: Refresher;
let browser: Browser;
let page: Page;
let token: string;

/** Numbers in [0, 1) that are the same in every run. */
function createChance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const chance = createChance(47);
const noise = Array.from({ length: 40_000 }, (_, i): [number, number] => [
  START + i * 3_000 + Math.floor(chance() * 2_000_000) / 1_000,
  chance(),
]);
let height = 0;
const walk = Array.from({ length: 40_000 }, (_, i): [number, number] => {
  height += chance() - 0.5;
  return [START + i * 3_000, height];
});
/** Mostly nothing, then a burst; one value is far above all others. */
const bursts = noise
  .filter(([ms]) => Math.floor((ms - START) / 600_000) % 7 === 0)
  .map(([ms, value], i): [number, number] => [ms, i === 1_234 ? 40 : value]);

const LINES = { noise, walk, bursts, days: walk.map(([ms, value], i) => [ms + i * 47_000, value]) };

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  const log = createLog('silent');
  const clock = () => START + 26 * 3_600_000;
  refresher = startRefresher({
    ...{ database: database.database, log, metrics: createMetrics(), clock },
  });
  for (const [channel, points] of Object.entries(LINES)) {
    await server.write('plot', channel, points as [number, number][]);
  }
  await refresher.refreshNow();
  // Late and corrected points, behind the rollups' back.
  await server.write('plot', 'noise', [
    [START + 3_600_000.5, 3],
    [START + 7_200_000.25, -2],
  ]);
  browser = await launchChromium();
  page = await browser.newPage();
});

afterAll(async () => {
  await browser?.close();
  await refresher?.stop();
  await server?.stop();
  await database?.dispose();
});

// biome-ignore lint/suspicious/noExplicitAny: the test looks into answers freely
async function ask(channel: string, query: Readonly<Record<string, string>>): Promise<any> {
  const parameters = new URLSearchParams({ series: `plot/${channel}`, ...query });
  const response = await fetch(`${server.url}/v1/range?${parameters}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status).toBe(200);
  return readJson(response);
}

type Line = readonly (readonly [ms: number, value: number])[];

/** The points of an m4 answer in the order of time. */
// biome-ignore lint/suspicious/noExplicitAny: the test looks into answers freely
function lineOf({ series: [one] }: any): Line {
  return one.t.flatMap((_: number, i: number) => {
    const points: [number, number][] = [
      [one.t_first[i], one.first[i]],
      [one.t_min[i], one.min[i]],
      [one.t_max[i], one.max[i]],
      [one.t_last[i], one.last[i]],
    ];
    return points.sort((a, b) => a[0] - b[0]);
  });
}

/** Draws two lines over the same columns, and counts the pixels of the first and those that differ. */
function compare(columns: readonly number[], raw: Line, m4: Line) {
  return page.evaluate(
    ({ columns: starts, lines, height: high }) => {
      const pixels = lines.map((line) => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [starts.length, high];
        const context = canvas.getContext('2d', { willReadFrequently: true });
        if (context === null) throw new Error('no canvas');
        const values = lines.flatMap((one) => one.map(([, value]) => value));
        const low = values.reduce((a, b) => Math.min(a, b));
        const top = values.reduce((a, b) => Math.max(a, b));
        // Without smoothing: that adds up the shares of a pixel that each stretch covers, so that a point more on the same
        // stretch changes a shade.
        let column = 0;
        let from: [x: number, y: number] | undefined;
        for (const [ms, value] of line) {
          while (column + 1 < starts.length && (starts[column + 1] ?? 0) <= ms) column++;
          const y = Math.round(((top - value) / (top - low)) * (high - 1));
          const [x0, y0] = from ?? [column, y];
          const steps = Math.max(1, column - x0);
          for (let step = 0; step <= steps; step++) {
            const yAt = (part: number) => Math.round(y0 + ((y - y0) * part) / steps);
            const [a, b] = [yAt(Math.max(0, step - 0.5)), yAt(Math.min(steps, step + 0.5))];
            const x = column === x0 ? column : x0 + step;
            context.fillRect(x, Math.min(a, b), 1, Math.abs(a - b) + 1);
          }
          from = [column, y];
        }
        return context.getImageData(0, 0, canvas.width, canvas.height).data;
      });
      const [a, b] = pixels;
      if (a === undefined || b === undefined) throw new Error('two lines were expected');
      let [drawn, differing] = [0, 0];
      for (let i = 0; i < a.length; i += 4) {
        if (a[i + 3] !== 0) drawn++;
        if ([0, 1, 2, 3].some((channel) => a[i + channel] !== b[i + channel])) differing++;
      }
      return { drawn, differing };
    },
    { columns: [...columns], lines: [raw, m4] as [Line, Line], height: HEIGHT },
  );
}

describe('m4 on a canvas whose columns are its buckets', () => {
  const hours = (count: number) => ({
    start: new Date(START).toISOString(),
    end: new Date(START + count * 3_600_000).toISOString(),
  });

  it.each([
    { channel: 'noise', query: { ...hours(33), step: '2m' } },
    { channel: 'noise', query: { ...hours(5), width: '1200' } },
    { channel: 'walk', query: { ...hours(30), width: '1000' } },
    { channel: 'walk', query: { ...hours(2), step: '5s' } },
    { channel: 'bursts', query: { ...hours(33), step: '1m' } },
    { channel: 'days', query: { ...hours(23 * 24), step: '1d', tz: 'Europe/Oslo' } },
  ])('is what the raw points are: $channel, $query.step $query.width', async (row) => {
    const { channel, query } = row;
    const counts = await ask(channel, { ...query, agg: 'count', fill: 'null' });
    const [{ t, count }] = counts.series;
    const m4 = lineOf(await ask(channel, query));
    const { start, end } = counts.range;
    const domain = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
    const raw = (await ask(channel, { ...domain, points: 'raw' })).series[0];
    const points = raw.t.map((ms: number, i: number) => [ms, raw.v[i]]);
    expect(points).toHaveLength(count.reduce((sum: number, n: number | null) => sum + (n ?? 0), 0));
    const { drawn, differing } = await compare(t, points, m4);
    expect(drawn).toBeGreaterThan(t.length);
    expect(differing).toBe(0);
  });

  it('would be seen to differ by a single value', async () => {
    const query = { ...hours(5), step: '1m' };
    const { t } = (await ask('walk', { ...query, agg: 'count', fill: 'null' })).series[0];
    const m4 = lineOf(await ask('walk', query));
    const changed = m4.map(([ms, value], i): [number, number] => [
      ms,
      i === 99 ? value + 3 : value,
    ]);
    expect((await compare(t, m4, changed)).differing).toBeGreaterThan(0);
  });
});
