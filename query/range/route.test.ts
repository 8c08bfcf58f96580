import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import {
  readJson,
  startTestQueryServer,
  type TestQueryServer,
  writeSamples,
} from '../../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let spp: number;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  spp = await writeSamples(server, T0);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

function ask(path: string, headers: Record<string, string> = {}) {
  return fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function json(path: string): Promise<any> {
  const response = await ask(path);
  expect(response.status, path).toBe(200);
  return readJson(response);
}

const RANGE = `/v1/range?series=rig-1/mud/spp&start=${T0 / 1_000}&end=${T0 / 1_000 + 120}`;

describe('a range', () => {
  it('gives m4 with times in ms, a fraction where finer', async () => {
    const answer = await json(`${RANGE}&step=1m`);
    expect(answer.range).toEqual({
      start: T0,
      end: T0 + 120_000,
      step_ms: 60_000,
      level: expect.any(String),
      segments: [{ level: expect.any(String), start: T0, end: T0 + 120_000 }],
      complete: true,
    });
    expect(answer.series).toEqual([
      {
        ...{ id: spp, asset: 'rig-1', channel: 'mud/spp', labels: {}, unit: null },
        t: [T0, T0 + 60_000],
        ...{ first: [1, 2], t_first: [T0, T0 + 60_000] },
        ...{ last: [3, 2], t_last: [T0 + 2_000.25, T0 + 60_000] },
        ...{ min: [1, 2], t_min: [T0, T0 + 60_000] },
        ...{ max: [5, 2], t_max: [T0 + 1_000, T0 + 60_000] },
      },
    ]);
    expect(answer.cursor).toEqual(expect.any(String));
    expect(answer.policy).toEqual({
      revision: expect.any(String),
      decision_id: expect.any(String),
      obligations: {},
    });
  });

  it('gives statistics by their names', async () => {
    const answer = await json(`${RANGE}&step=1m&agg=mean,sum,count,stddev`);
    const [{ t, mean, sum, count, stddev, ...rest }] = answer.series;
    expect({ t, mean, sum, count }).toEqual({
      t: [T0, T0 + 60_000],
      mean: [3, 2],
      sum: [9, 2],
      count: [3, 1],
    });
    expect(stddev[0]).toBeCloseTo(Math.sqrt(8 / 3), 12);
    expect(stddev[1]).toBe(0);
    expect(Object.keys(rest)).toEqual(['id', 'asset', 'channel', 'labels', 'unit']);
  });

  it('gives raw points with the quality of those that are not good', async () => {
    const [{ t, v, q }] = (await json(`${RANGE}&points=raw`)).series;
    expect({ t, v, q }).toEqual({
      t: [T0, T0 + 1_000, T0 + 2_000.25, T0 + 60_000],
      v: [1, 5, 3, 2],
      q: [0, 7, 0, 0],
    });
  });

  it('tells of whole buckets, and of segments without gaps, where no series is selected', async () => {
    const start = T0 / 1_000 + 7;
    const { range, series } = await json(
      `/v1/range?match={asset="nobody"}&start=${start}&end=${start + 80}&step=20s`,
    );
    const [from, until] = [T0, T0 + 100_000];
    expect(series).toEqual([]);
    expect(range).toMatchObject({ start: from, end: until, step_ms: 20_000 });
    expect(range.segments).toEqual([{ level: 'raw', start: from, end: until }]);
  });

  it('fills empty buckets as asked', async () => {
    const start = `/v1/range?series=rig-1/mud/spp&start=${T0 / 1_000}&end=${T0 / 1_000 + 80}&step=20s`;
    const filled = async (fill: string) => {
      const [{ t, mean, count }] = (await json(`${start}&agg=mean,count&fill=${fill}`)).series;
      return { t: t.map((ms: number) => (ms - T0) / 1_000), mean, count };
    };
    expect(await filled('none')).toEqual({ t: [0, 60], mean: [3, 2], count: [3, 1] });
    expect(await filled('null')).toEqual({
      t: [0, 20, 40, 60],
      mean: [3, null, null, 2],
      count: [3, 0, 0, 1],
    });
    expect((await filled('previous')).mean).toEqual([3, 3, 3, 2]);
    const linear = await filled('linear');
    expect(linear.count).toEqual([3, 0, 0, 1]);
    expect(linear.mean[1]).toBeCloseTo(8 / 3, 12);
  });

  it('pages raw points over all series, and refuses a page of another query', async () => {
    const path = `/v1/range?match={}&start=2026-01-02T00:00:00Z&end=2026-01-03T00:00:00Z&points=raw`;
    const seen: unknown[] = [];
    let next: string | undefined;
    do {
      const answer = await json(`${path}&limit=2${next === undefined ? '' : `&page=${next}`}`);
      for (const { id, t, v } of answer.series) {
        for (const [i, ms] of t.entries()) seen.push([id, ms, v[i]]);
      }
      next = answer.next;
      const other = next === undefined ? undefined : await ask(`${RANGE}&points=raw&page=${next}`);
      expect(other?.status ?? 400).toBe(400);
    } while (next !== undefined);
    const whole = await json(path);
    expect(whole.next).toBeUndefined();
    const all = whole.series.flatMap(({ id, t, v }: { id: number; t: number[]; v: unknown[] }) =>
      t.map((ms, i) => [id, ms, v[i]]),
    );
    expect(seen).toEqual(all);
    expect(seen).toHaveLength(7);
  });

  it('comes as CSV: a header, RFC 3339, quoted texts', async () => {
    const response = await ask(
      `/v1/range?match={asset="rig-1"}&start=${T0 / 1_000}&end=${T0 / 1_000 + 120}&points=raw`,
      { accept: 'text/csv' },
    );
    expect(response.headers.get('content-type')).toContain('text/csv');
    const [header, ...lines] = (await response.text()).trimEnd().split('\n');
    expect(header).toBe('series,asset,channel,t,v,q');
    expect(lines).toContain(`${spp},rig-1,mud/spp,2026-01-02T03:00:02.000250Z,3,0`);
    expect(lines.some((line) => line.endsWith('2026-01-02T03:01:00Z,"tripping, ""out""",'))).toBe(
      true,
    );
  });

  it('comes as NDJSON, and links to the next page where a limit is given', async () => {
    const response = await ask(`${RANGE}&points=raw&format=ndjson&limit=3`);
    const rows = (await response.text()).trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row))[1]).toEqual({
      ...{ series: spp, asset: 'rig-1', channel: 'mud/spp', t: T0 + 1_000, v: 5, q: 7 },
    });
    const link = /<(.+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    const rest = await (await ask(link ?? 'no link')).text();
    expect(JSON.parse(rest)).toEqual({
      ...{ series: spp, asset: 'rig-1', channel: 'mud/spp', t: T0 + 60_000, v: 2 },
    });
  });

  it('shows at once what was committed before, late points as well', async () => {
    const at = T0 + 30_000;
    await server.write('rig-3', 'depth', [[at, 1]]);
    await server.write('rig-3', 'depth', [[at - 10_000, 2]]);
    const answer = await json(
      `/v1/range?series=rig-3/depth&start=${T0 / 1_000}&end=${T0 / 1_000 + 60}&step=1s`,
    );
    expect(answer.series[0].first).toEqual([2, 1]);
  });
});
