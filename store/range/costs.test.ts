import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import type { Series } from '../series.ts';
import { createCostFacts } from './costs.ts';
import { estimateRows } from './estimate.ts';
import type { RangeRequest } from './range.ts';

const T0 = Date.UTC(2026, 0, 2) * 1_000;
const HOUR_US = 3_600e6;

let database: TestDatabase;

/** Nothing of it is rolled up; points by series, in seconds from T0. */
const POINTS = {
  dense: `select s * 0.1 from generate_series(0, 35999) s`,
  sparse: `select s * 600 from generate_series(0, 5) s`,
  // Nine tenths of its points in the last tenth of the hour.
  skewed: `select s * 3.24 from generate_series(0, 999) s union all select 3240 + s * 0.04 from generate_series(0, 8999) s`,
  empty: `select 1 where false`,
};

beforeAll(async () => {
  database = await openTestDatabase();
  const sql = database.database.writer;
  for (const [index, points] of Object.values(POINTS).entries()) {
    for (const [table, value] of [
      ['reading', '1'],
      ['state_reading', "'on'"],
    ]) {
      await sql.query(
        `insert into tailrace.${table} (series_id, time, value)
        select ${index + 1}, to_timestamp(${T0 / 1e6} + s), ${value} from (${points}) p (s)`,
      );
    }
  }
});

afterAll(() => database.dispose());

const seriesOf = (kind: Series['kind'], ids: readonly number[]) =>
  ids.map((id) => ({ id, kind }) as Series);

it.each([
  ['dense', [1], 36_000],
  ['sparse', [2], 6],
  ['skewed', [3], 10_000],
  ['empty', [4], 0],
  ['all of them', [1, 2, 3, 4], 46_006],
] as const)('what no rollup has counted is sampled: %s', async (_name, ids, points) => {
  for (const kind of ['number', 'state'] as const) {
    const series = seriesOf(kind, ids);
    const resolution = { kind: 'step', stepMs: 60_000 } as const;
    const request: RangeRequest = { series, startUs: T0, endUs: T0 + HOUR_US, resolution };
    const facts = await createCostFacts(database.database, 0)(request);
    const rows = estimateRows(request, facts);
    expect(rows).toBeGreaterThanOrEqual(points * 0.8);
    expect(rows).toBeLessThanOrEqual(points * 1.5);
  }
});
