// Points that a caller may not see change nothing of what it is told: every aggregate, format, comparison and explanation
// is the same to the byte before they are written and after, also where they lie next to what it may see.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from './answers.ts';
import type { CallerName } from './callers.ts';
import { visible } from './oracle.ts';
import { type KnownSeries, NOW_MS, openWorld, type World } from './world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const AGGREGATES =
  'm4,first,last,min,max,mean,sum,count,stddev,p50,p90,p95,p99,twa,twa_step,rate,delta';

const span = (startMs: number, endMs: number) => `start=${startMs / 1_000}&end=${endMs / 1_000}`;
const RECENT = span(NOW_MS - 70 * MINUTE_MS - 17, NOW_MS);
const DAYS = span(NOW_MS - 5 * 24 * HOUR_MS, NOW_MS + HOUR_MS);
const STATES = 'match={channel="activity"}';

const QUESTIONS = [
  ...['json', 'msgpack', 'csv', 'ndjson', 'arrow'].flatMap((format) => [
    `match={}&${RECENT}&step=1m&agg=${AGGREGATES}&format=${format}`,
    `match={}&${RECENT}&points=raw&format=${format}`,
    `${STATES}&${RECENT}&agg=intervals&format=${format}`,
    `${STATES}&${RECENT}&agg=time_in_state&step=1m&format=${format}`,
  ]),
  ...['null', 'previous', 'linear'].map(
    (fill) => `match={}&${RECENT}&step=20s&agg=${AGGREGATES}&fill=${fill}`,
  ),
  `match={}&${DAYS}&step=1h&agg=${AGGREGATES}`,
  `match={}&${DAYS}&step=1d&tz=Asia/Kolkata&agg=${AGGREGATES}&fill=previous`,
  `match={}&${DAYS}&step=1mo&tz=America/St_Johns&agg=${AGGREGATES}`,
  `match={}&${RECENT}&step=1m&agg=${AGGREGATES}&offset=30m`,
  `match={}&${RECENT}&step=1m&agg=${AGGREGATES}&offset=-30m`,
  `match={}&${RECENT}&points=raw&offset=59m&format=csv`,
  `${STATES}&${RECENT}&agg=intervals&offset=30m`,
  `${STATES}&${DAYS}&agg=intervals`,
  `${STATES}&${DAYS}&agg=time_in_state&step=1d&tz=%2B05:45`,
  `match={}&${DAYS}&width=50&agg=${AGGREGATES}&explain=1`,
];

/** Callers, and times of points that are just beyond what each may see. */
const BEYOND: readonly (readonly [name: CallerName, timesMs: readonly number[]])[] = [
  ['the last hour', [NOW_MS - HOUR_MS - 0.001, NOW_MS - HOUR_MS - 999, NOW_MS - 90 * MINUTE_MS]],
  ['five minutes late', [NOW_MS - 5 * MINUTE_MS, NOW_MS - 5 * MINUTE_MS + 999, NOW_MS - 1_000]],
  [
    'everything',
    [
      NOW_MS - 6 * HOUR_MS - 1_235,
      NOW_MS - 7 * HOUR_MS,
      NOW_MS - 5 * MINUTE_MS - 77,
      NOW_MS - 2_000,
    ],
  ],
];

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(() => world.close());

/** What all questions are answered, without what is new each time. */
async function answers(name: CallerName): Promise<[path: string, status: number, text: string][]> {
  const told: [string, number, string][] = [];
  // It may not have all of its series at once.
  const all = name === 'everything' ? 'match={asset="rig-albatross"}' : 'match={}';
  for (const asked of QUESTIONS) {
    const question = asked.replace('match={}', all);
    const { status, bytes, text } = await ask(world, name, `/v1/range?${question}`);
    const body = question.includes('format=msgpack') ? text : bytes;
    told.push([question, status, body.replace(/"(decision_id|cursor)":"[^"]*"/g, '"$1":"…"')]);
  }
  return told;
}

async function expectNoChange(name: CallerName, write: () => Promise<unknown>): Promise<void> {
  const before = await answers(name);
  await write();
  const after = await answers(name);
  for (const [i, [question, status, body]] of before.entries()) {
    // Bodies are long: their difference is not for reading.
    expect([question, status, after[i]?.[2] === body]).toEqual([question, 200, true]);
  }
  expect(before.some(([, , body]) => body.length > 2_000)).toBe(true);
}

async function writeTo(one: KnownSeries, timesMs: readonly number[]): Promise<void> {
  const { asset, channel, tenant, labels, unit, kind } = one;
  const name = [asset, channel] as const;
  const points = timesMs.map((t, i) => ({
    ...{ t: Math.round(t * 1_000) / 1_000, q: 0 },
    v: kind === 'number' ? -9e9 - i : `state-9000${i}`,
  }));
  await world.write({ name, tenant, labels, history: 'short', ...(unit && { unit }) }, points);
}

describe('nothing that is told changes by', () => {
  it.each(BEYOND)('points that are too old or too fresh (%s)', async (name, timesMs) => {
    await expectNoChange(name, async () => {
      for (const one of world.series) await writeTo(one, timesMs);
    });
  });

  it.each<CallerName>(['some assets', 'everything', 'a clearance'])(
    'points of hidden series (%s)',
    async (name) => {
      const decision = await world.decisionFor(name, 'range');
      const seen = new Set(visible(decision, world.series).map(({ id }) => id));
      const hidden = world.series.filter(({ id }) => !seen.has(id));
      expect(hidden.length).toBeGreaterThan(3);
      await expectNoChange(name, async () => {
        const timesMs = [2, 7, 33, 300, 3_000].map((ago) => NOW_MS - ago * MINUTE_MS - 0.25);
        for (const one of hidden) await writeTo(one, timesMs);
      });
    },
  );
});
