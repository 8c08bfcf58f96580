// What the points' order and the counts of values give, from the request's parameter to the answer.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Obligations } from '../../policies/grant.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { changeGrants } from '../../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
const NOW = T0 + 10 * 60_000;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let obligations: Obligations = {};

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    clock: () => NOW,
    policy: (shipped) => changeGrants(shipped, (grant) => ({ ...grant, obligations })),
  });
  token = await server.token();
  const at = (seconds: number, value: number) => [T0 + seconds * 1_000, value] as const;
  await server.write('rig-1', 'counter', [
    ...[at(-30, 7), at(0, 10), at(20, 30), at(50, 5), at(70, 8), at(200, 9)],
  ]);
  await server.write(
    ...(['rig-1', 'values', Array.from({ length: 101 }, (_, i) => at(i / 10, 2 * i))] as const),
  );
  await server.write('rig-1', 'state', [[T0 + 1_000, 'idle']]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

/** The first series of a range in minutes from T0 to `end` seconds behind it. */
async function ask(channel: string, agg: string, end: number, more = '') {
  const domain = `start=${T0 / 1_000}&end=${T0 / 1_000 + end}&step=1m`;
  const response = await fetch(
    `${server.url}/v1/range?series=rig-1/${channel}&${domain}&agg=${agg}${more}`,
    { headers: { authorization: `Bearer ${token}` } },
  );
  expect(response.status).toBe(200);
  const [{ id, asset, channel: _, labels, unit, ...columns }] = (await readJson(response)).series;
  return columns;
}

describe('aggregates of the points in their order', () => {
  it('are the time-weighted mean, along lines and by steps, increase and rate', async () => {
    expect(await ask('counter', 'twa,twa_step,delta,rate', 240)).toEqual({
      t: [T0, T0 + 60_000, T0 + 180_000],
      twa: [(20 * 20 + 30 * 17.5) / 50, 8, 9],
      twa_step: [(20 * 10 + 30 * 30) / 50, 8, 9],
      delta: [3 + 20 + 5, 3, 1],
      rate: [28 / 80, 3 / 20, 1 / 130],
    });
  });

  it('know nothing of what lies before look-back, and of a single point no rate', async () => {
    obligations = { lookback_ms: NOW - T0 };
    try {
      const { delta, rate } = await ask('counter', 'delta,rate', 60);
      expect([delta, rate]).toEqual([[25], [25 / 50]]);
      obligations = { lookback_ms: NOW - T0 - 180_000 };
      const last = await ask('counter', 'delta,rate', 240);
      expect(last).toEqual({ t: [T0 + 180_000], delta: [0], rate: [null] });
    } finally {
      obligations = {};
    }
  });

  it('are filled like others, and move with an offset', async () => {
    const filled = await ask('counter', 'twa,delta', 240, '&fill=previous');
    expect(filled.delta).toEqual([28, 3, 3, 1]);
    const earlier = await ask('counter', 'delta', 60, '&offset=-1m');
    expect(earlier).toEqual({ t: [T0], delta: [3] });
  });

  it('are none of a series of states', async () => {
    expect(await ask('state', 'twa,p50,first', 60)).toEqual({
      ...{ t: [T0], twa: [null], p50: [null], first: ['idle'] },
    });
  });
});

it('percentiles are within 1 % of those between ranks', async () => {
  const found = await ask('values', 'p50,p90,p95,p99,count', 60);
  expect(found.count).toEqual([101]);
  for (const [name, value] of Object.entries({ p50: 100, p90: 180, p95: 190, p99: 198 })) {
    expect(Math.abs(found[name][0] - value), name).toBeLessThanOrEqual(0.01 * value);
  }
});
