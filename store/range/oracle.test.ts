// Every aggregate over any mix of levels against brute force over the raw points: random series with gaps, duplicates,
// late and corrected points, extreme values and clocks that change, over random domains cut in every way; and while
// writes and refreshes go on.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRing } from '../../lib/feed/ring.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { type Refresher, startRefresher } from '../refresher.ts';
import type { Series } from '../series.ts';
import { batchOf, createTestSeries } from '../testing.ts';
import { createWriter, type Writer } from '../writer.ts';
import { firstFault } from './brute-force.ts';
import { calendarEdges } from './calendar.ts';
import type { RangeAnswer, RangeResolution } from './range.ts';
import { createRangeReader, type RangeReader } from './read.ts';
import { parseStep } from './step.ts';

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;
/** The clock of Oslo changes in the midst of it. */
const startUs = Date.parse('2026-03-21T00:00:00Z') * 1000;
const endUs = startUs + 16 * DAY_US;
/** The wall: what is later is raw. */
const wallUs = endUs - 1.4 * DAY_US;

const seriesOf = (id: number): Series => ({
  ...{ id, tenant: 'acme', asset: 'rig-1', channel: `channel-${id}`, labels: {}, unit: null },
  ...{ kind: 'number', index: 'time' },
});
const [WAVE, COUNTER, EMPTY, PAIRED] = [1, 2, 3, 4].map(seriesOf) as [
  Series,
  Series,
  Series,
  Series,
];

let test: TestDatabase;
let writer: Writer;
let refresher: Refresher;
let reader: RangeReader;
const points = new Map<number, Map<number, number>>([1, 2, 3, 4].map((id) => [id, new Map()]));

/** Numbers in [0, 1) that are the same in every run. */
function createChance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const EXTREMES = [0, -0, 1e300, -1e300, 5e-324, -5e-324, 1e-310, 1e139, -1e139];

/** Bursts of some Hz, stretches of a point in minutes, and gaps of hours. */
function randomTimes(chance: () => number): number[] {
  const times: number[] = [];
  for (let timeUs = startUs; timeUs < endUs; ) {
    const paceUs = [200_000, 7 * 1_000_000, 3 * MINUTE_US][Math.floor(chance() * 3)]!;
    const count = 1 + Math.floor(chance() * 30);
    for (let i = 0; i < count && timeUs < endUs; i++) {
      timeUs += 1 + Math.floor(chance() * 2 * paceUs);
      times.push(timeUs);
    }
    if (chance() < 0.3) timeUs += Math.floor(chance() * 5 * HOUR_US);
  }
  return times.filter((timeUs) => timeUs < endUs);
}

async function write(id: number, rows: readonly (readonly [timeUs: number, value: number])[]) {
  // The database gets 0 for -0.
  for (const [timeUs, value] of rows) points.get(id)!.set(timeUs, value + 0);
  await writer.write(batchOf(rows.map(([t, v]) => ({ id, t, v }))));
}

beforeAll(async () => {
  test = await openTestDatabase();
  const { database } = test;
  const [log, metrics] = [createLog('silent'), createMetrics()];
  await createTestSeries(database, 4);
  await database.reader.unsafe(
    "update tailrace.rollup set maintained = true where name <> 'rollup_10s'",
  );
  writer = createWriter({ database, log, metrics });
  refresher = startRefresher({ database, log, metrics, clock: () => wallUs / 1000 });
  const feed = createRing({ recordsMax: 10, pointsMax: 10 });
  reader = createRangeReader({ database, feed, metrics });
  const chance = createChance(6);
  await write(
    WAVE.id,
    randomTimes(chance).map((timeUs) => {
      const isExtreme = chance() < 0.003;
      const extreme = EXTREMES[Math.floor(chance() * EXTREMES.length)]!;
      return [timeUs, isExtreme ? extreme : 100 * Math.sin(timeUs / 1e10) + chance()];
    }),
  );
  let counted = 0;
  await write(
    COUNTER.id,
    randomTimes(chance).map((timeUs) => {
      counted = chance() < 0.01 ? 0 : counted + Math.floor(chance() * 9) / 8;
      return [timeUs, counted];
    }),
  );
  await refresher.refreshNow();
});

afterAll(async () => {
  await writer?.stop();
  await refresher?.stop();
  await test?.dispose();
});

/** Puts each rollup's horizon back to a share of the way, or leaves it where its refresher has it. */
async function lowerHorizons(shares: readonly number[]): Promise<void> {
  const rows = shares.map((share, i) => {
    const at = new Date((startUs + share * (wallUs - startUs)) / 1000).toISOString();
    return `(${i}, '${at}'::timestamptz)`;
  });
  await test.database.reader.unsafe(`
    update tailrace.rollup r
    set materialised_before = least(r.materialised_before,
      time_bucket(r.bucket_ms * interval '1 millisecond', w.before))
    from (values ${rows.join()}) w (place, before)
    where r.maintained and w.place = r.ordinal % ${shares.length}`);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const value = fc.oneof(
  { arbitrary: fc.double({ min: -1000, max: 1000, noNaN: true }), weight: 6 },
  { arbitrary: fc.constantFrom(...EXTREMES), weight: 1 },
);
const lateWrite = fc.record({
  counter: fc.boolean(),
  at: share,
  /** Microseconds beside a point of the series, or (0) on it: a correction, or with its own value a duplicate. */
  besideUs: fc.constantFrom(0, 0, 1, -1, 1_000_003, 7 * HOUR_US),
  value: fc.option(value, { freq: 4 }),
});
const steps = ['100ms', '1s', '1m', '7m', '15m', '20m', '1h', '90m', '6h', '1d', '3d', '1w'];
type Cut =
  | { readonly width: number }
  | { readonly step: string; readonly shiftMs: number }
  | { readonly unit: 'day' | 'week' | 'month'; readonly zone: string; readonly shiftMs: number };
const shiftMs = fc.constantFrom(0, 0, 3_600_000, 5_400_000, 60_000, 1, 86_400_000);
const cut: fc.Arbitrary<Cut> = fc.oneof(
  fc.record({ width: fc.integer({ min: 1, max: 1500 }) }),
  fc.record({ step: fc.constantFrom(...steps), shiftMs }),
  fc.record({
    unit: fc.constantFrom('day', 'week', 'month'),
    zone: fc.constantFrom('Europe/Oslo', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/New_York'),
    shiftMs,
  }),
);
const query = fc.record({ from: share, span: share.map((x) => x ** 4), cut });
const round = fc.record({
  writes: fc.array(lateWrite, { maxLength: 5 }),
  refreshed: fc.boolean(),
  horizons: fc.array(fc.oneof(share, fc.constant(1)), { minLength: 3, maxLength: 7 }),
  queries: fc.array(query, { minLength: 2, maxLength: 3 }),
});

/** A domain as the planner is asked for it; what is shifted is what an offset reads. */
function resolutionOf(one: Cut, fromUs: number, toUs: number): RangeResolution {
  if ('width' in one) return { kind: 'width', pixels: one.width };
  if ('step' in one) {
    const { stepMs, originMs } = parseStep(one.step);
    return { kind: 'step', stepMs, originMs: originMs - one.shiftMs };
  }
  const edges = calendarEdges({ ...one, count: 1 }, fromUs, toUs);
  return { kind: 'edges', edgesUs: edges.map((edge) => edge - one.shiftMs * 1000) };
}

function expectCovered({ segments, ...answer }: RangeAnswer): void {
  let reachedUs = answer.startUs;
  for (const segment of segments) {
    expect(segment.startUs).toBe(reachedUs);
    reachedUs = segment.endUs;
  }
  expect(reachedUs).toBe(answer.endUs);
}

function expectExact(answer: RangeAnswer): void {
  expectCovered(answer);
  for (const { series, columns } of answer.series) {
    if (columns.kind !== 'm4' || answer.buckets === null) throw new Error('buckets were expected');
    const fault = firstFault(columns, points.get(series.id)!, answer.buckets);
    expect(fault, `${series.channel}: ${fault}`).toBeUndefined();
  }
}

const everything = { stats: true, path: true, sketch: true };

/** Where a family has no such level, the next finer one of its own serves, and the answer tells the finest. */
const FINEST_OF_FAMILIES: Readonly<Record<string, string>> = {
  '1m': 'raw',
  '5m': 'raw',
  '6h': '1h',
};

describe('every aggregate', () => {
  it.each(['1m', '5m', '15m', '1h', '6h', '1d'])(
    'equals brute force where %s serves all but the end',
    async (level) => {
      await refresher.refreshNow();
      const { stepMs } = parseStep(level);
      const answer = await reader.read({
        ...{ series: [WAVE, COUNTER, EMPTY], startUs, endUs },
        resolution: { kind: 'step', stepMs },
        ...everything,
      });
      expect(answer.segments[0]!.level).toBe(FINEST_OF_FAMILIES[level] ?? level);
      expectExact(answer);
    },
  );

  it('equals brute force, whatever levels serve it', async () => {
    const property = fc.asyncProperty(round, async ({ writes, refreshed, horizons, queries }) => {
      for (const one of writes) {
        const id = one.counter ? COUNTER.id : WAVE.id;
        const times = [...points.get(id)!.keys()];
        const timeUs = times[Math.floor(one.at * (times.length - 1))]! + one.besideUs;
        await write(id, [[timeUs, one.value ?? points.get(id)!.get(timeUs) ?? 0]]);
      }
      if (refreshed) await refresher.refreshNow();
      await lowerHorizons(horizons);
      for (const { from, span, cut: how } of queries) {
        const fromUs = Math.floor(startUs + from * (endUs - startUs - 1));
        // No more buckets than the store takes, however fine.
        const toUs = Math.min(
          fromUs + 1 + Math.floor(span * (endUs - fromUs)),
          fromUs + limitUs(how),
        );
        const answer = await reader.read({
          ...{ series: [WAVE, EMPTY, COUNTER], startUs: fromUs, endUs: toUs },
          resolution: resolutionOf(how, fromUs, toUs),
          ...everything,
        });
        expectExact(answer);
      }
    });
    await fc.assert(property, { numRuns: 40, endOnFailure: true });
  });
});

function limitUs(how: Cut): number {
  if ('width' in how) return Number.POSITIVE_INFINITY;
  return 'step' in how ? 20_000 * parseStep(how.step).stepMs * 1000 : Number.POSITIVE_INFINITY;
}

describe('while writes and refreshes go on', () => {
  it('an answer is of one moment, no older than what was acknowledged before it was asked for', async () => {
    // Both points of a pair are committed together: one where rollups are, the other where only raw points can be.
    const [early, late] = [startUs + 3 * DAY_US + 17, endUs - HOUR_US];
    await write(PAIRED.id, [
      [early, 0],
      [late, 0],
    ]);
    await refresher.refreshNow();
    const written = { begun: 0, done: 0 };
    let stopped = false;
    const writing = (async () => {
      while (!stopped) {
        const next = ++written.begun;
        await writer.write(
          batchOf([
            { id: PAIRED.id, t: early, v: next },
            { id: PAIRED.id, t: late, v: next },
          ]),
        );
        written.done = next;
      }
    })();
    const refreshing = (async () => {
      while (!stopped) await refresher.refreshNow();
    })();
    try {
      for (let i = 0; i < 30; i++) {
        const acknowledged = written.done;
        const step = { kind: 'step', stepMs: [60_000, 3_600_000, 86_400_000][i % 3]! } as const;
        const answer = await reader.read({
          ...{ series: [PAIRED], startUs, endUs, resolution: step },
          ...everything,
        });
        const begun = written.begun;
        const [{ columns }] = answer.series as [RangeAnswer['series'][number]];
        if (columns.kind !== 'm4') throw new Error('buckets were expected');
        const [first, second] = columns.last;
        expect(second).toBe(first);
        expect(first).toBeGreaterThanOrEqual(acknowledged);
        expect(first).toBeLessThanOrEqual(begun);
        const now = new Map([
          [early, first!],
          [late, first!],
        ]);
        expect(firstFault(columns, now, answer.buckets!)).toBeUndefined();
      }
    } finally {
      stopped = true;
      await Promise.all([writing, refreshing]);
    }
    expect(written.done).toBeGreaterThan(5);
  });
});
