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

/** The others are asked for in JSON only: what is written is the same. */
const EVERY_FORMAT = { formats: ['json', 'msgpack', 'ndjson', 'csv'] } as const;

const QUESTIONS: readonly RangeQuestion[] = [
  { what: 'raw', parameters: { points: 'raw' }, ...RECENT },
  { ...EVERY_FORMAT, what: 'raw in pages', parameters: { points: 'raw', limit: '700' }, ...RECENT },
  { what: 'raw of all time', parameters: { points: 'raw' }, ...ALL },
  { what: '20 s', parameters: { step: '20s' }, stepMs: 20_000, ...RECENT },
  {
    ...EVERY_FORMAT,
    what: 'statistics of 1 m',
    parameters: { step: '1m', agg: 'count,sum,mean' },
    stepMs: MINUTE_MS,
    ...RECENT,
  },
  { what: '90 s', parameters: { step: '90s' }, stepMs: 90_000, ...RECENT },
  { what: 'a width', parameters: { width: '60' }, stepMs: MINUTE_MS, ...RECENT },
  { ...EVERY_FORMAT, what: '15 m', parameters: { step: '15m' }, stepMs: 15 * MINUTE_MS, ...ALL },
  { what: '1 h', parameters: { step: '1h', agg: 'm4,count' }, stepMs: HOUR_MS, ...ALL },
  { what: '6 h', parameters: { step: '6h' }, stepMs: 6 * HOUR_MS, ...ALL },
  { what: '1 d', parameters: { step: '1d' }, stepMs: DAY_MS, ...ALL },
  { what: '1 w', parameters: { step: '1w' }, stepMs: 7 * DAY_MS, originMs: MONDAY_MS, ...ALL },
  {
    what: 'a selector on what may be redacted',
    parameters: { step: '5m' },
    stepMs: 5 * MINUTE_MS,
    ...RECENT,
    selector: [{ label: 'crew', op: '=~', value: 'crew-.*' }],
  },
  {
    ...EVERY_FORMAT,
    what: 'raw of two series, as few as any budget allows',
    parameters: { points: 'raw' },
    ...RECENT,
    selector: [{ label: 'asset', op: '=', value: 'rig-dunlin' }],
  },
  {
    ...EVERY_FORMAT,
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

/** Admins read as the whole of their tenant does. */
const READERS = CALLER_NAMES.filter((name) => !name.endsWith('admin'));

describe.each(READERS)('%s', (name) => {
  it.each(QUESTIONS)('$what', async (question) => {
    await checkRange(world, name, question);
  });
});

it('is asked of every level', async () => {
  const levels = new Set<string>();
  for (const question of QUESTIONS) {
    for (const level of await checkRange(world, 'the whole tenant', question)) {
      levels.add(level);
    }
  }
  expect([...levels].sort()).toEqual(['15m', '1d', '1h', '1m', '5m', '6h', 'raw']);
});
