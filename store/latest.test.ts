import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Feed } from '../lib/feed/feed.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { openLatest } from './latest.ts';
import type { Series, ValueKind } from './series.ts';

const log = createLog('silent');
const seriesOf = (id: number, kind: ValueKind = 'number'): Series => ({
  id,
  tenant: 'acme',
  asset: 'rig-1',
  channel: `c${id}`,
  labels: {},
  unit: null,
  kind,
  index: 'time',
});
const PRESSURE = seriesOf(1);
const EMPTY = seriesOf(2);
const STATE = seriesOf(3, 'state');
const ALL = [STATE, PRESSURE, EMPTY];

const at = (second: number) => second * 1_000_000;
const pointsOf = (seriesId: number, ...points: [second: number, value: number | string][]) => ({
  kind: 'readings' as const,
  seriesIds: points.map(() => seriesId),
  timesUs: points.map(([second]) => at(second)),
  values: points.map(([, value]) => value),
  qualities: points.map(() => 0),
});

let test: TestDatabase;
let feed: Feed;

beforeAll(async () => {
  test = await openTestDatabase();
});

beforeEach(async () => {
  await test.database.writer.query(`
    truncate tailrace.series restart identity;
    truncate tailrace.reading;
    truncate tailrace.state_reading`);
  feed = createRing({ recordsMax: 100, pointsMax: 1000 });
  await test.database.writer.query(`
    insert into tailrace.series (tenant, asset, channel, value_kind, first_time)
    values ('acme', 'rig-1', 'c1', 'number', to_timestamp(100)), ('acme', 'rig-1', 'c2', 'number', null),
      ('acme', 'rig-1', 'c3', 'state', to_timestamp(150))`);
  await test.database.writer.query(`
    insert into tailrace.reading (series_id, time, value, quality)
    values (1, to_timestamp(100), 1, 0), (1, to_timestamp(200), 2, 3)`);
  await test.database.writer.query(`
    insert into tailrace.state_reading (series_id, time, value) values (3, to_timestamp(150), 'drilling')`);
});

afterAll(() => test.dispose());

async function open() {
  const catalogue = { all: () => ALL };
  const { database } = test;
  return await openLatest({ database, feed, catalogue, metrics: createMetrics(), log });
}

describe('latest values', () => {
  it('are there from the start, with the time of the first, but of series that have no points', async () => {
    const latest = await open();
    const drilling = { timeUs: at(150), value: 'drilling', quality: 0 };
    expect(latest.of(STATE.id)).toMatchObject(drilling);
    expect(latest.of(PRESSURE.id)).toMatchObject({ timeUs: at(200), value: 2, quality: 3 });
    expect(latest.of(PRESSURE.id)?.firstUs).toBe(at(100));
    expect(latest.of(EMPTY.id)).toBeUndefined();
    await latest.stop();
  });

  it('follow the feed, and say up to where', async () => {
    const before = await feed.append(pointsOf(1, [200, 2]));
    const latest = await open();
    expect(latest.position()).toEqual(before);
    const after = await feed.append(pointsOf(2, [10, 5], [9, 4]));
    expect(latest.position()).toEqual(after);
    const newest = { timeUs: at(10), value: 5, quality: 0, firstUs: at(9) };
    expect(latest.of(EMPTY.id)).toMatchObject(newest);
    await latest.caughtUp();
    await latest.stop();
    await feed.append(pointsOf(2, [11, 6]));
    expect(latest.of(EMPTY.id)?.timeUs).toBe(at(10));
  });

  it('are read again after a gap in the feed, and stand still until then', async () => {
    const latest = await open();
    const before = latest.position();
    await test.database.writer.query(
      'insert into tailrace.reading (series_id, time, value) values (1, to_timestamp(300), 9)',
    );
    const gap = await feed.append({ kind: 'gap' });
    expect(latest.position()).toEqual(before);
    await latest.caughtUp();
    expect(latest.position()).toEqual(gap);
    expect(latest.of(PRESSURE.id)).toMatchObject({ timeUs: at(300), value: 9 });
    await latest.stop();
  });

  it('stop twice without harm, and let nobody wait for ever', async () => {
    const latest = await open();
    await latest.stop();
    await feed.append(pointsOf(1, [400, 1]));
    await Promise.all([latest.caughtUp(), latest.stop()]);
  });
});
