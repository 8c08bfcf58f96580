import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { RANGE_ANSWER } from './answer-schema.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  const at = (seconds: number) => T0 + seconds * 1_000;
  const points = [0, 7, 8, 200].map((s) => [at(s), s / 4, s === 7 ? 64 : 0] as const);
  await server.write('rig-1', 'spp', points, { unit: 'bar', labels: { crew: 'a' } });
  await server.write('rig-1', 'mode', [
    [at(3), 'idle'],
    [at(120), 'drilling'],
  ]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

const AGGREGATES =
  'm4,first,last,min,max,mean,sum,count,stddev,p50,p90,p95,p99,twa,twa_step,rate,delta';

async function described(): Promise<z.core.JSONSchema.JSONSchema> {
  const document = await readJson(await fetch(`${server.url}/openapi.json`));
  return document.paths['/v1/range'].get.responses['200'].content['application/json'].schema;
}

it('is what /openapi.json says', async () => {
  expect(await described()).toMatchObject({
    type: 'object',
    required: ['range', 'series', 'cursor', 'policy'],
    properties: { series: { type: 'array' }, next: { type: 'string' } },
  });
});

it.each([
  ...['none', 'null', 'previous', 'linear'].map((fill) => `step=1m&agg=${AGGREGATES}&fill=${fill}`),
  `step=1m&agg=${AGGREGATES}&explain=1`,
  'points=raw&explain=1',
  'agg=intervals&explain=1',
  'points=raw',
  'points=raw&limit=2',
  'agg=intervals',
  'agg=time_in_state&step=1m&fill=null',
  'width=10&offset=1h',
  'step=1mo&tz=Asia/Kabul',
])('is true of %s', async (query) => {
  const path = `/v1/range?match={}&start=${T0 / 1_000}&end=${T0 / 1_000 + 600}&${query}`;
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}${path}`, { headers });
  const answer = await readJson(response);
  expect(response.status).toBe(200);
  expect(RANGE_ANSWER.safeParse(answer).error).toBeUndefined();
  expect(z.fromJSONSchema(await described()).safeParse(answer).error).toBeUndefined();
});
