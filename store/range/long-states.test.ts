// States with long texts: an answer is refused before it is more than a process holds.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRing } from '../../lib/feed/ring.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import type { Series } from '../series.ts';
import type { RangeRequest } from './range.ts';
import { createRangeReader } from './read.ts';

const START_US = Date.parse('2026-03-02T00:00:00Z') * 1000;
const SECOND_US = 1_000_000;
const TEXTS = 1_200;
const ENOUGH = 100;
const BYTES_EACH = 60_000;

const series: Series = {
  ...{ id: 1, tenant: 'acme', asset: 'rig-7', channel: 'remark', labels: {}, unit: null },
  ...{ kind: 'state', index: 'time' },
};

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
  await opened.database.writer.query(`
    insert into tailrace.state_reading (series_id, time, value)
    select 1, timestamptz '2026-03-02T00:00Z' + i * interval '1 second', i || repeat('x', ${BYTES_EACH})
    from generate_series(0, ${TEXTS - 1}) i`);
});
afterAll(() => opened.dispose());

const resolution = { kind: 'step', stepMs: 1000 } as const;
const intervals = {
  states: { as: 'intervals', nowUs: START_US + 2 * TEXTS * SECOND_US, intervalsMax: 100_000 },
} as const;

it.each<[string, Partial<RangeRequest>]>([
  ['in buckets', {}],
  ['as intervals', intervals],
])(
  '%s',
  async (_, asked) => {
    const feed = createRing({ recordsMax: 10, pointsMax: 10 });
    const reader = createRangeReader({ database: opened.database, feed, metrics: createMetrics() });
    const read = (texts: number) => {
      const endUs = START_US + texts * SECOND_US;
      return reader.read({ series: [series], startUs: START_US, endUs, resolution, ...asked });
    };
    await expect(read(TEXTS)).rejects.toMatchObject({ code: 'too_costly' });
    expect((await read(ENOUGH)).series).toHaveLength(1);
  },
  60_000,
);
