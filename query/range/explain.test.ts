import { unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
const POINTS = 7_200;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  const everySecond = Array.from({ length: POINTS }, (_, s) => [T0 + s * 1_000, s] as const);
  await server.write('rig-1', 'spp', everySecond);
  await server.write('rig-1', 'hidden', everySecond);
  const everyMinute = Array.from({ length: 120 }, (_, m) => [T0 + m * 60_000, `${m}`] as const);
  await server.write('rig-1', 'mode', everyMinute);
  await server.write('rig-2', 'spp', everySecond);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

const DOMAIN = `start=${T0 / 1_000}&end=${T0 / 1_000 + POINTS}`;

function ask(query: string, headers: Record<string, string> = {}) {
  return fetch(`${server.url}/v1/range?${DOMAIN}&${query}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

async function rowsRead(): Promise<number> {
  const text = await server.metrics.exposition();
  return Number(/^tailrace_query_rows_read_total (\d+)/m.exec(text)?.[1] ?? 0);
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function explained(query: string): Promise<any> {
  const before = await rowsRead();
  const response = await ask(`${query}&explain=1`);
  const answer = await readJson(response);
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return { ...answer, counted: (await rowsRead()) - before };
}

describe('explain', () => {
  it.each([
    ['buckets', 'series=rig-1/spp&step=1m', 'm4', POINTS],
    ['buckets of two series', 'series=rig-1/spp&series=rig-2/spp&step=1m', 'm4', 2 * POINTS],
    ['raw points', 'series=rig-1/spp&points=raw', 'raw', POINTS],
    ['buckets of states', 'series=rig-1/mode&step=10m', 'states', 120],
    ['intervals', 'series=rig-1/mode&agg=intervals', 'states', 120],
    ['time in state', 'series=rig-1/mode&agg=time_in_state&step=1h', 'states', 120],
  ])('tells the rows of %s, expected and read', async (_name, query, family, rows) => {
    const { plan, range, counted } = await explained(query);
    expect(plan.families).toMatchObject([{ family, segments: range.segments }]);
    const [{ segments }] = plan.families;
    const sum = (name: string) =>
      segments.reduce((all: number, one: Record<string, number>) => all + (one[name] ?? 0), 0);
    expect(sum('rows')).toBe(rows);
    expect(counted).toBe(rows);
    expect(sum('estimated_rows')).toBeGreaterThan(rows / 2);
    expect(sum('estimated_rows')).toBeLessThan(rows * 2);
    expect(plan.sql.length).toBeGreaterThan(0);
    expect(plan.sql.at(-1)).toMatch(/^select/);
  });

  it('tells each family, and a stretch of points that serves several of each', async () => {
    const { plan, counted } = await explained('series=rig-1/spp&step=1m&agg=mean,twa,p95');
    const told = plan.families.map(({ family, segments }: Record<string, unknown>) => [
      family,
      (segments as { rows: number }[]).map(({ rows }) => rows),
    ]);
    expect(told).toEqual([
      ['m4', [POINTS]],
      ['path', [POINTS]],
      ['sketch', [POINTS]],
    ]);
    expect(counted).toBe(POINTS);
  });

  it('tells nothing of what was not read: a domain that the policy leaves nothing of', async () => {
    const answer = await readJson(await ask('match={asset="nowhere"}&step=1m&explain=1'));
    expect(answer.plan).toEqual({ families: [], sql: [] });
  });

  it('has the times of the answer, and the statements those that were read', async () => {
    const shifted = `series=rig-1/spp&step=1m&offset=-1h&explain=1`;
    const { plan, range } = await readJson(await ask(shifted));
    expect(plan.families[0].segments).toMatchObject(range.segments);
    const readFrom = T0 / 1_000 + 3_600;
    expect(plan.sql.some((text: string) => text.includes(`${readFrom}`))).toBe(true);
  });

  it('is the same in MessagePack', async () => {
    const query = 'series=rig-1/spp&step=1m&explain=1';
    const packed = await ask(query, { accept: 'application/msgpack' });
    const { plan } = unpack(Buffer.from(await packed.arrayBuffer()));
    expect(plan).toEqual((await readJson(await ask(query))).plan);
  });

  it.each(['csv', 'ndjson', 'arrow'])('is refused as %s', async (format) => {
    const response = await ask(`series=rig-1/spp&step=1m&explain=1&format=${format}`);
    expect(response.status).toBe(400);
    expect(await readJson(response)).toMatchObject({ parameter: 'explain' });
  });

  it('has another ETag than the same answer without it', async () => {
    const query = 'series=rig-1/spp&step=1m';
    const [plain, explaining] = [await ask(query), await ask(`${query}&explain=1`)];
    const etag = plain.headers.get('etag') ?? '';
    expect(explaining.headers.get('etag')).not.toBe(etag);
    const again = (of: string) => ask(of, { 'if-none-match': etag });
    expect((await again(query)).status).toBe(304);
    expect((await again(`${query}&explain=1`)).status).toBe(200);
    expect((await again(`${query}&explain=0`)).status).toBe(304);
  });

  it('names no series but those that its caller may see and asked for', async () => {
    const id = async (name: string) =>
      (await readJson(await ask(`series=${name}&step=1m`))).series[0].id;
    const [own, hidden] = [await id('rig-1/spp'), await id('rig-1/hidden')];
    const other = await server.token({ tenant: 'other' });
    const headers = { authorization: `Bearer ${other}` };
    const refused = await ask('series=rig-1/spp&step=1m&explain=1', headers);
    expect(refused.status).toBe(404);
    expect(await refused.text()).not.toContain('select');
    const { plan } = await explained('series=rig-1/spp&step=1m');
    const listed = plan.sql.flatMap((text: string) =>
      [...text.matchAll(/(?:array\[|series_id in \()([\d, ]+)/g)].map(([, ids]) => ids),
    );
    expect(listed.length).toBeGreaterThan(0);
    expect(new Set(listed)).toEqual(new Set([String(own)]));
    expect(listed).not.toContain(String(hidden));
  });
});
