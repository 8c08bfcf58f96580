import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Obligations } from '../policies/grant.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { changeGrants } from '../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';
import { connectTail } from '../test/tail-client.ts';

const NOW = Date.UTC(2026, 0, 2, 12);
const MINUTE = 60_000;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let obligations: Obligations = {};
let nowMs = NOW;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    clock: () => nowMs,
    policy: (shipped) => changeGrants(shipped, (grant) => ({ ...grant, obligations })),
  });
  token = await server.token();
  // One value each ten seconds of the last hour: how many seconds ago it was.
  const points = Array.from({ length: 360 }, (_, i) => {
    const ago = 3_600 - i * 10;
    return [NOW - ago * 1_000, ago] as const;
  });
  await server.write('rig-1', 'spp', points);
  await server.write('rig-2', 'spp', points);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function ask(path: string, under: Obligations) {
  obligations = under;
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}${path}`, { headers });
  return { status: response.status, body: await readJson(response) };
}

const HOUR = `/v1/range?series=rig-1/spp&start=now-1h&end=now`;

describe('obligations narrow a range, and the answer says so', () => {
  it('gives one-minute data to who asks for raw and may have that only', async () => {
    const under = { finest_step_ms: MINUTE };
    const { status, body } = await ask(`${HOUR}&points=raw`, under);
    expect([status, body.range.step_ms, body.range.complete]).toEqual([200, MINUTE, true]);
    expect(body.series[0].t).toHaveLength(60);
    expect(body.series[0].v).toBeUndefined();
    expect(body.policy.obligations).toEqual(under);
  });

  it('makes a step that is too fine a multiple of the finest', async () => {
    const { body } = await ask(`${HOUR}&step=90s`, { finest_step_ms: MINUTE });
    expect(body.range.step_ms).toBe(2 * MINUTE);
  });

  it('gives buckets that lie wholly inside look-back and delay', async () => {
    const under = { lookback_ms: 30.5 * MINUTE, delay_ms: 10.5 * MINUTE };
    const { body } = await ask(`${HOUR}&step=1m`, under);
    const [{ t, t_last: tLast }] = body.series;
    expect([t[0], t.at(-1)]).toEqual([NOW - 30 * MINUTE, NOW - 12 * MINUTE]);
    expect(Math.max(...tLast)).toBeLessThan(NOW - 10.5 * MINUTE);
    expect([body.range.start, body.range.end]).toEqual([NOW - 30 * MINUTE, NOW - 11 * MINUTE]);
  });

  it('gives raw points inside look-back and delay', async () => {
    const under = { lookback_ms: 20 * MINUTE, delay_ms: 10 * MINUTE };
    const [{ v }] = (await ask(`${HOUR}&points=raw`, under)).body.series;
    expect([v[0], v.at(-1)]).toEqual([1_200, 610]);
  });

  it('answers nothing, and says of which domain, where nothing is left', async () => {
    const { status, body } = await ask(`${HOUR}&step=1m`, { delay_ms: 120 * MINUTE });
    expect([status, body.series, body.range.segments]).toEqual([200, [], []]);
    expect(body.range.end).toBe(body.range.start);
  });

  it('counts weeks from Mondays under look-back as well', async () => {
    const under = { lookback_ms: 21 * 86_400_000 };
    const { body } = await ask('/v1/range?series=rig-1/spp&start=now-60d&step=1w', under);
    expect(new Date(body.range.start).toISOString()).toBe('2025-12-15T00:00:00.000Z');
  });

  it('makes buckets wide enough for the points that may be had', async () => {
    const { body } = await ask(`${HOUR}&step=10s`, { max_points: 20 });
    expect(body.series[0].t.length).toBeLessThanOrEqual(20);
    const raw = await ask(`${HOUR}&points=raw`, { max_points: 20 });
    expect(raw.body.series[0].t).toHaveLength(20);
  });

  it('refuses more series than may be had at once', async () => {
    const { status, body } = await ask('/v1/range?match={}&start=now-1h', { max_series: 1 });
    expect([status, body.code, body.max_series]).toEqual([403, 'forbidden', 1]);
  });
});

describe('obligations narrow latest values', () => {
  it.each<[under: Obligations, newest: number | undefined]>([
    [{}, 10],
    [{ delay_ms: 10 * MINUTE }, 610],
    [{ finest_step_ms: MINUTE, delay_ms: MINUTE }, 70],
    [{ lookback_ms: MINUTE / 2 }, 10],
    [{ lookback_ms: 10 * MINUTE, delay_ms: 20 * MINUTE }, undefined],
  ])('%j: %s seconds old', async (under, newest) => {
    const { body } = await ask('/v1/latest?series=rig-1/spp', under);
    expect(body.series.map((one: { v: number }) => one.v)).toEqual(
      newest === undefined ? [] : [newest],
    );
  });
});

describe('obligations narrow tails', () => {
  async function follow(under: Obligations) {
    obligations = under;
    const client = await connectTail({ url: server.url, bearer: token });
    onTestFinished(() => client.socket.terminate());
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/live'] });
    await client.next('subscribed');
    return client;
  }

  beforeAll(async () => {
    await server.write('rig-1', 'live', [[nowMs - 3_600_000, 0]]);
  });

  it('sends a point once it is old enough', async () => {
    const client = await follow({ delay_ms: MINUTE });
    const { id } = await server.write('rig-1', 'live', [
      [nowMs + 1_000, 1],
      [nowMs + 30_000, 2],
    ]);
    const written = nowMs;
    nowMs += MINUTE + 2_000;
    const points = [[id, written + 1_000, 1]];
    expect(await client.next('data')).toMatchObject({ id: 'a', points, dropped: 0 });
    nowMs += MINUTE;
    expect((await client.next('data')).points).toEqual([[id, written + 30_000, 2]]);
  });

  it('sends buckets that are coarse enough, once they are whole', async () => {
    nowMs = Math.ceil(nowMs / MINUTE) * MINUTE;
    const client = await follow({ finest_step_ms: MINUTE });
    const { id } = await server.write('rig-1', 'live', [
      [nowMs + 1_000, 5],
      [nowMs + 2_000, 3],
      [nowMs + 61_000, 4],
    ]);
    const bucket = [id, nowMs, 5, 3, 3, 5, 2];
    nowMs += MINUTE + 30_000;
    expect(await client.next('summary')).toMatchObject({ buckets: [bucket], dropped: 2 });
  });

  it('sends no late point from before look-back, and no more frames than allowed', async () => {
    const client = await follow({ lookback_ms: MINUTE, max_rate_hz: 1 });
    const { id } = await server.write('rig-1', 'live', [
      [nowMs - 2 * MINUTE, 8],
      [nowMs - 1_000, 9],
    ]);
    expect((await client.next('data')).points).toEqual([[id, nowMs - 1_000, 9]]);
    await server.write('rig-1', 'live', [[nowMs, 10]]);
    await server.write('rig-1', 'live', [[nowMs + 1, 11]]);
    const last = nowMs + 1;
    nowMs += 1_000;
    expect(await client.next('data')).toMatchObject({ points: [[id, last, 11]], dropped: 1 });
  });
});
