// The families path and sketch through the reader: whatever mix of levels serves a range, as the points have it.
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
import { increaseOf } from './path.ts';
import type { M4Columns, RangeAnswer, RangeRequest } from './range.ts';
import { createRangeReader, type RangeReader } from './read.ts';
import { QUANTILES } from './sketch.ts';

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;
const startUs = Date.parse('2026-03-02T00:00:00Z') * 1000;
const endUs = startUs + 3 * DAY_US;

const SERIES: Series = {
  ...{ id: 1, tenant: 'acme', asset: 'rig-1', channel: 'channel-1', labels: {}, unit: null },
  kind: 'number',
  index: 'time',
};

type Point = readonly [timeUs: number, value: number];

let test: TestDatabase;
let writer: Writer;
let refresher: Refresher;
let reader: RangeReader;
const values = new Map<number, number>();

beforeAll(async () => {
  test = await openTestDatabase();
  const { database } = test;
  const [log, metrics] = [createLog('silent'), createMetrics()];
  await createTestSeries(database, 1);
  await database.writer.query('update tailrace.rollup set maintained = true');
  writer = createWriter({ database, log, metrics });
  // The wall stands still some hours before the end of the data, so that its last part is raw.
  refresher = startRefresher({ database, log, metrics, clock: () => (endUs - 7 * HOUR_US) / 1000 });
  const feed = createRing({ recordsMax: 1, pointsMax: 1 });
  reader = createRangeReader({ database, feed, metrics });
  const points: Point[] = [];
  for (let i = 0; i < 6000; i++) {
    const timeUs = startUs + i * 43_000_000 + ((i * i) % 23) * 1_700_001;
    points.push([timeUs, i % 900 > 700 ? 50 * Math.sin(i) : i % 300]);
  }
  // Some hours without any.
  await write(points.filter(([timeUs]) => Math.floor(timeUs / HOUR_US) % 11 !== 0));
  await refresher.refreshNow();
});

afterAll(async () => {
  await writer.stop();
  await refresher.stop();
  await test.dispose();
});

async function write(points: readonly Point[]): Promise<void> {
  for (const [timeUs, value] of points) values.set(timeUs, value);
  await writer.write(batchOf(points.map(([t, v]) => ({ id: SERIES.id, t, v }))));
}

type Asked = Pick<RangeRequest, 'startUs' | 'endUs' | 'resolution'>;

const read = (asked: Asked, earliestUs = Number.NEGATIVE_INFINITY) =>
  reader.read({ ...asked, series: [SERIES], path: true, sketch: true, earliestUs });

function columnsOf(answer: RangeAnswer): M4Columns {
  const [only] = answer.series;
  if (only?.columns.kind !== 'm4') throw new Error('m4 was expected');
  return only.columns;
}

const near = (found: number | undefined, right: number, size: number) =>
  Number.isNaN(right) ? Number.isNaN(found) : Math.abs(found! - right) <= 1e-9 * size;

function meanOf(run: readonly Point[], height: (a: number, b: number) => number): number {
  const [[from], [to, last]] = [run[0]!, run.at(-1)!];
  const areas = run.slice(1).map(([t, v], i) => (t - run[i]![0]) * height(run[i]![1], v));
  return from === to ? last : areas.reduce((sum, area) => sum + area, 0) / (to - from);
}

function quantileOf(run: readonly Point[], quantile: number): number {
  const sorted = run.map(([, value]) => value).sort((a, b) => a - b);
  const rank = quantile * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
  return low + (high - low) * (rank - Math.floor(rank));
}

/** What of a bucket is not as its points and the one before them have it. */
function faultsOf(columns: M4Columns, row: number, run: readonly Point[], before?: Point) {
  const { path, quantiles } = columns;
  const size = Math.max(1000, ...run.map(([, value]) => Math.abs(value))) * run.length;
  const all = before === undefined ? run : [before, ...run];
  const delta = all.slice(1).reduce((sum, [, v], i) => sum + increaseOf(all[i]![1], v), 0);
  const seconds = (run.at(-1)![0] - all[0]![0]) / 1e6;
  const checks: Record<string, boolean> = {
    twa: near(
      path?.twa[row],
      meanOf(run, (a, b) => (a + b) / 2),
      size,
    ),
    twaStep: near(
      path?.twaStep[row],
      meanOf(run, (a) => a),
      size,
    ),
    delta: near(path?.delta[row], delta, size),
    rate: near(path?.rate[row], seconds === 0 ? Number.NaN : delta / seconds, size),
  };
  for (const [name, quantile] of Object.entries(QUANTILES)) {
    const found = quantiles?.[name as keyof typeof QUANTILES][row];
    // Between two ranks either may be off by 1 %.
    const bound = Math.max(...run.map(([, value]) => Math.abs(value)));
    const right = quantileOf(run, quantile);
    const allowed = run.every(([, value]) => value >= 0) ? Math.abs(right) : bound;
    checks[name] = Math.abs(found! - right) <= 0.0100001 * allowed + 1e-300;
  }
  return Object.keys(checks).filter((name) => !checks[name]);
}

function expectRight(answer: RangeAnswer, earliestUs = Number.NEGATIVE_INFINITY): void {
  if (answer.buckets?.kind !== 'uniform') throw new Error('equal buckets were expected');
  const { stepUs, startUs: fromUs } = answer.buckets;
  const points = [...values].filter(([t]) => t >= earliestUs).sort((a, b) => a[0] - b[0]);
  const columns = columnsOf(answer);
  let before: Point | undefined = points.findLast(([t]) => t < answer.startUs);
  let row = 0;
  const faults: unknown[] = [];
  const runs = new Map<number, Point[]>();
  for (const point of points.filter(([t]) => t >= answer.startUs && t < answer.endUs)) {
    const t = fromUs + Math.floor((point[0] - fromUs) / stepUs) * stepUs;
    runs.set(t, [...(runs.get(t) ?? []), point]);
  }
  for (const [t, run] of runs) {
    const wrong = faultsOf(columns, row, run, before);
    if (columns.t[row] !== t || wrong.length > 0) faults.push([t, wrong]);
    before = run.at(-1)!;
    row++;
  }
  expect(faults.slice(0, 3)).toEqual([]);
  expect(columns.t.length).toBe(row);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const query = fc
  .record({
    from: share,
    span: share.map((x) => x ** 2),
    minutes: fc.constantFrom(1, 5, 15, 20, 45, 60, 90, 180, 360, 1440),
  })
  .map(({ from, span, minutes }): Asked => {
    const atUs = Math.floor(startUs + from * (endUs - startUs));
    const toUs = Math.min(endUs, atUs + Math.floor(span * (endUs - startUs)) + 1);
    return {
      startUs: atUs,
      endUs: toUs,
      resolution: { kind: 'step', stepMs: (minutes * MINUTE_US) / 1000 },
    };
  });
const late = fc.array(
  fc.tuple(share, fc.oneof(fc.integer({ min: -9, max: 400 }), fc.constant(1e3))),
  { minLength: 1, maxLength: 4 },
);

const DAYS: Asked = { startUs, endUs, resolution: { kind: 'step', stepMs: DAY_US / 1000 } };
const HOURS: Asked = { startUs, endUs, resolution: { kind: 'step', stepMs: HOUR_US / 1000 } };

describe('path and sketch of a range', () => {
  it('come from the coarsest levels, and the answer tells the finest of all families', async () => {
    const answer = await read(HOURS);
    expectRight(answer);
    // The last hour is not over where the wall stands, and 1m has no sketches.
    expect(answer.segments.map(({ level }) => level)).toEqual(['1h', '15m', 'raw']);
    expect(answer.level).toBe('1h');
    expectRight(await read(DAYS));
    // Sketches begin at 15 minutes.
    const minutes: Asked = { ...HOURS, resolution: { kind: 'step', stepMs: 60_000 } };
    expect((await read(minutes)).segments.map(({ level }) => level)).toEqual(['raw']);
  });

  it('look no further back than they may', async () => {
    const fromUs = startUs + 30 * HOUR_US;
    const asked = { ...HOURS, startUs: fromUs };
    for (const earliestUs of [fromUs - DAY_US, fromUs - 1, fromUs]) {
      expectRight(await read(asked, earliestUs), earliestUs);
    }
  });

  it('equal brute force over the points, with late ones before and after they are rolled up', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(query, { minLength: 3, maxLength: 3 }), late, async (all, some) => {
        await write(
          some.map(([at, v]) => [Math.floor(startUs + at * (endUs - startUs - 1)), v] as const),
        );
        for (const asked of all) expectRight(await read(asked));
        await refresher.refreshNow();
        for (const asked of all) expectRight(await read(asked));
      }),
      { numRuns: 12 },
    );
  }, 120_000);

  it('come from raw points where their family is not maintained', async () => {
    const { writer: sql } = test.database;
    await sql.query("update tailrace.rollup set maintained = family = 'm4'");
    const answer = await read(HOURS);
    expectRight(answer);
    expect(answer.segments.map(({ level }) => level)).toEqual(['raw']);
    const plain = await reader.read({ ...HOURS, series: [SERIES] });
    expect(plain.segments.map(({ level }) => level)).toEqual(['1h', '15m', '5m', '1m', 'raw']);
    await sql.query('update tailrace.rollup set maintained = true');
  });
});
