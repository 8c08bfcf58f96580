// Ranges of every level and format to every caller: exactly the points and buckets that its decision allows.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLER_NAMES } from './callers.ts';
import { checkRange, type RangeQuestion } from './ranges.ts';
import { NOW_MS, openWorld, type World, writeLate } from './world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MONDAY_MS = 4 * DAY_MS;

const RECENT = { startMs: NOW_MS - 70 * MINUTE_MS - 17, endMs: NOW_MS };
const ALL = { startMs: NOW_MS - 5 * DAY_MS, endMs: NOW_MS + HOUR_MS };

const JSON_ONLY = { formats: ['json'] } as const;

const QUESTIONS: readonly RangeQuestion[] = [
  { what: 'raw', parameters: { points: 'raw' }, ...RECENT },
  { what: 'raw in pages', parameters: { points: 'raw', limit: '700' }, ...RECENT },
  { what: 'raw of all time', parameters: { points: 'raw' }, ...ALL, ...JSON_ONLY },
  { what: '20 s', parameters: { step: '20s' }, stepMs: 20_000, ...RECENT, ...JSON_ONLY },
  {
    what: 'statistics of 1 m',
    parameters: { step: '1m', agg: 'count,sum,mean' },
    stepMs: MINUTE_MS,
    ...RECENT,
  },
  { what: '90 s', parameters: { step: '90s' }, stepMs: 90_000, ...RECENT, ...JSON_ONLY },
  { what: 'a width', parameters: { width: '60' }, stepMs: MINUTE_MS, ...RECENT },
  { what: '15 m', parameters: { step: '15m' }, stepMs: 15 * MINUTE_MS, ...ALL },
  { what: '1 h', parameters: { step: '1h', agg: 'm4,count' }, stepMs: HOUR_MS, ...ALL },
  { what: '1 d', parameters: { step: '1d' }, stepMs: DAY_MS, ...ALL, ...JSON_ONLY },
  { what: '1 w', parameters: { step: '1w' }, stepMs: 7 * DAY_MS, originMs: MONDAY_MS, ...ALL },
  {
    what: 'a selector on what may be redacted',
    parameters: { step: '5m' },
    stepMs: 5 * MINUTE_MS,
    ...RECENT,
    selector: [{ label: 'crew', op: '=~', value: 'crew-.*' }],
  },
  {
    what: 'a selector on one asset',
    parameters: { step: '10m' },
    stepMs: 10 * MINUTE_MS,
    ...ALL,
    selector: [{ label: 'asset', op: '=', value: 'rig-albatross' }],
  },
];

let world: World;

beforeAll(async () => {
  world = await openWorld();
  await writeLate(world);
});

afterAll(() => world.close());

describe.each(CALLER_NAMES)('%s', (name) => {
  it.each(QUESTIONS)('$what', async (question) => {
    await checkRange(world, name, question, question.formats);
  });
});

it('is asked of every level', async () => {
  const levels = new Set<string>();
  for (const question of QUESTIONS) {
    for (const level of await checkRange(world, 'the whole tenant', question, ['json'])) {
      levels.add(level);
    }
  }
  expect([...levels].sort()).toEqual(['15m', '1d', '1h', '1m', 'raw']);
});
