import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRing } from '../../lib/feed/ring.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { type Refresher, startRefresher } from '../refresher.ts';
import type { Series } from '../series.ts';
import { batchOf } from '../testing.ts';
import { createWriter, type Writer } from '../writer.ts';
import { createRangeReader, type RangeReader } from './read.ts';

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;
const startUs = Date.parse('2026-03-02T00:00:00Z') * 1000;
const endUs = startUs + DAY_US;

const SERIES: Series = {
  id: 1,
  tenant: 'acme',
  asset: 'rig-1',
  channel: 'hookload',
  labels: {},
  unit: 'kN',
  kind: 'number',
  index: 'time',
};

let test: TestDatabase;
let writer: Writer;
let refresher: Refresher;
/** One for all: what it has seen of the rollups before is wrong by then. */
let reader: RangeReader;
const values = new Map<number, number>();

beforeAll(async () => {
  test = await openTestDatabase();
  const { database } = test;
  const [log, metrics] = [createLog('silent'), createMetrics()];
  const feed = createRing({ recordsMax: 1, pointsMax: 1 });
  reader = createRangeReader({ database, feed, metrics });
  await database.writer.query(
    "insert into tailrace.series (tenant, asset, channel, value_kind) values ('acme', 'rig-1', 'hookload', 'number')",
  );
  writer = createWriter({ database, log, metrics });
  // The wall stands still an hour before the end of the data, so that its last part is raw.
  refresher = startRefresher({ database, log, metrics, clock: () => (endUs - HOUR_US) / 1000 });
  const minutes = Array.from({ length: (endUs - startUs) / MINUTE_US }, (_, minute) => minute);
  await write(minutes.map((minute) => [startUs + minute * MINUTE_US, Math.sin(minute / 100)]));
  await refresher.refreshNow();
});

afterAll(async () => {
  await writer.stop();
  await refresher.stop();
  await test.dispose();
});

async function write(points: readonly (readonly [timeUs: number, value: number])[]) {
  for (const [timeUs, value] of points) values.set(timeUs, value);
  return await writer.write(batchOf(points.map(([t, v]) => ({ id: SERIES.id, t, v }))));
}

/** Hourly extremes as the range has them, the levels that served them, and the extremes that are right. */
async function readHours() {
  const resolution = { kind: 'step', stepMs: HOUR_US / 1000 } as const;
  const answer = await reader.read({ series: [SERIES], startUs, endUs, resolution });
  const { columns } = answer.series[0]!;
  if (columns.kind !== 'm4') throw new Error('m4 was expected');
  const hourly = (hour: number, pick: (...all: number[]) => number) => {
    const [from, to] = [startUs + hour * HOUR_US, startUs + (hour + 1) * HOUR_US];
    return pick(...[...values].filter(([t]) => t >= from && t < to).map(([, value]) => value));
  };
  const hours = Array.from(columns.t, (_, hour) => hour);
  return {
    levels: answer.segments.map(({ level }) => level),
    served: hours.map((hour) => [columns.min[hour], columns.max[hour]]),
    right: hours.map((hour) => [hourly(hour, Math.min), hourly(hour, Math.max)]),
  };
}

describe('a range over rollups', () => {
  it('shows late and corrected points at once, before and after rollups are refreshed', async () => {
    const before = await readHours();
    expect(before.served).toEqual(before.right);
    expect(before.levels[0]).toBe('1h');
    expect(before.levels.at(-1)).toBe('raw');
    expect(before.levels.filter((level) => level === '1h')).toHaveLength(1);

    const outcome = await write([
      [startUs + 5 * HOUR_US + 7, 50],
      [startUs + 15 * HOUR_US, -50],
    ]);
    expect(outcome).toMatchObject({ inserted: 1, corrected: 1, late: 2 });
    const stale = await readHours();
    expect(stale.served).toEqual(stale.right);
    expect(stale.levels.filter((level) => level === 'raw')).toHaveLength(3);

    await refresher.refreshNow();
    const refreshed = await readHours();
    expect(refreshed.served).toEqual(refreshed.right);
    expect(refreshed.levels).toEqual(before.levels);
  });
});
