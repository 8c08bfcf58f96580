// What an answer says of the levels that served it, from outside: rollups, stale stretches, and levels that were dropped.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { type Refresher, startRefresher } from '../../store/refresher.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const T0 = Date.UTC(2026, 0, 2);
const HOURS = 12;
/** Everything before is rolled up. */
const HORIZON_MS = T0 + 10 * HOUR_MS;

let test: TestDatabase;
let server: TestQueryServer;
let refresher: Refresher;
let token: string;

beforeAll(async () => {
  test = await openTestDatabase();
  const { database } = test;
  server = await startTestQueryServer({ database });
  token = await server.token();
  const log = createLog('silent');
  const clock = () => HORIZON_MS + MINUTE_MS;
  refresher = startRefresher({ database, log, metrics: createMetrics(), clock });
  const points = Array.from(
    { length: HOURS * 120 },
    (_, n) => [T0 + n * 30_000, Math.sin(n)] as const,
  );
  await server.write('rig-1', 'spp', points);
  await refresher.refreshNow();
});

afterAll(async () => {
  await refresher.stop();
  await server.stop();
  await test.dispose();
});

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function range(query: string): Promise<any> {
  const domain = `start=${T0 / 1_000}&end=${(T0 + HOURS * HOUR_MS) / 1_000}`;
  const response = await fetch(`${server.url}/v1/range?series=rig-1/spp&${domain}&${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status).toBe(200);
  return readJson(response);
}

const segmentsOf = ({ plan }: { plan: { families: { segments: unknown[] }[] } }) =>
  plan.families[0]?.segments;

describe('an answer of several levels', () => {
  it('tells the rows of each, expected and read', async () => {
    const segments = segmentsOf(await range('step=5m&explain=1'));
    const rolledUp = (HORIZON_MS - T0) / (5 * MINUTE_MS);
    const raw = (T0 + HOURS * HOUR_MS - HORIZON_MS) / 30_000;
    expect(segments).toMatchObject([
      { level: '5m', start: T0, end: HORIZON_MS, estimated_rows: rolledUp, rows: rolledUp },
      { level: 'raw', start: HORIZON_MS, end: T0 + HOURS * HOUR_MS, rows: raw },
    ]);
  });

  it('shows late points at once, by a finer level where the coarser one is stale', async () => {
    const before = await range('step=5m');
    await server.write('rig-1', 'spp', [[T0 + HOUR_MS + 1_000, 99]]);
    const dirty = await range('step=5m&explain=1');
    const stale = { start: T0 + HOUR_MS, end: T0 + HOUR_MS + 5 * MINUTE_MS };
    expect(segmentsOf(dirty)).toContainEqual(expect.objectContaining({ level: '5m', start: T0 }));
    const finer = (segmentsOf(dirty) as { level: string; start: number; end: number }[]).filter(
      ({ level, start, end }) => level !== '5m' && start < stale.end && end > stale.start,
    );
    expect(finer.map(({ level }) => level)).toContain('raw');
    const [was, is] = [before.series[0], dirty.series[0]];
    const bucket = is.t.indexOf(stale.start);
    expect([was.max[bucket] < 1, is.max[bucket], is.t_max[bucket]]).toEqual([
      ...[true, 99, T0 + HOUR_MS + 1_000],
    ]);

    await refresher.refreshNow();
    const clean = await range('step=5m&explain=1');
    expect(clean.series).toEqual(dirty.series);
    expect(segmentsOf(clean)).toHaveLength(2);
  });

  it('says that data is missing where the level that would be needed was dropped', async () => {
    const droppedBefore = async (ms: number | undefined) => {
      const at = ms === undefined ? "'-infinity'" : `to_timestamp(${ms / 1_000})`;
      await test.database.writer.query(
        `update tailrace.rollup set kept_from = ${at} where name = 'rollup_1m'`,
      );
    };
    await droppedBefore(T0 + HOUR_MS);
    try {
      const complete = async (query: string) => (await range(query)).range.complete;
      expect(await complete('step=1m')).toBe(true);
      expect(await complete('step=10s')).toBe(false);
      expect(await complete('points=raw')).toBe(false);
    } finally {
      await droppedBefore(undefined);
    }
    expect((await range('step=10s')).range.complete).toBe(true);
  });
});
