import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import {
  readJson,
  startTestQueryServer,
  type TestQueryServer,
  writeSamples,
} from '../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let spp: number;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    corsOrigins: ['https://charts.example'],
    routes: [
      {
        method: 'GET',
        path: '/broken',
        grant: 'public',
        summary: 'Fails.',
        parameters: [],
        types: ['application/json'],
        handle: () => {
          throw new Error('secret of the inside');
        },
      },
    ],
  });
  token = await server.token();
  spp = await writeSamples(server, T0);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

function ask(path: string, init: RequestInit & { headers?: Record<string, string> } = {}) {
  const headers = { authorization: `Bearer ${token}`, ...init.headers };
  return fetch(`${server.url}${path}`, { ...init, headers });
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function json(path: string): Promise<any> {
  const response = await ask(path);
  expect(response.status, path).toBe(200);
  return readJson(response);
}

const RANGE = `/v1/range?series=rig-1/mud/spp&start=${T0 / 1_000}&end=${T0 / 1_000 + 120}`;

describe('a bad request is told what is wrong with it', () => {
  it.each<[request: string, status: number, code: string, parameter?: string]>([
    ['/v1/range', 400, 'missing_parameter', 'series'],
    ['/v1/range?series=rig-1/mud/spp', 400, 'missing_parameter', 'start'],
    ['/v1/range?series=a/b&match={asset="a"}&start=now-1h', 400, 'conflicting_parameters', 'match'],
    ['/v1/range?match={asset=&start=now-1h', 400, 'bad_parameter', 'match'],
    ['/v1/range?match={asset=~"("}&start=now-1h', 400, 'bad_parameter', 'match'],
    ['/v1/range?series=a/b&start=yesterday', 400, 'bad_parameter', 'start'],
    ['/v1/range?series=a/b&start=2026-02-30T00:00:00Z', 400, 'bad_parameter', 'start'],
    ['/v1/range?series=a/b&start=now-1h&end=now-2h', 400, 'bad_parameter', 'end'],
    ['/v1/range?series=a/b&start=now-1h&start=now-2h', 400, 'bad_parameter', 'start'],
    [`${RANGE}&width=0`, 400, 'bad_parameter', 'width'],
    [`${RANGE}&width=10001`, 400, 'bad_parameter', 'width'],
    [`${RANGE}&width=1e3`, 400, 'bad_parameter', 'width'],
    [`${RANGE}&step=0s`, 400, 'bad_parameter', 'step'],
    [`${RANGE}&step=fast`, 400, 'bad_parameter', 'step'],
    [`${RANGE}&step=1s&width=100`, 400, 'conflicting_parameters', 'step'],
    [`${RANGE}&points=few`, 400, 'bad_parameter', 'points'],
    [`${RANGE}&points=raw&limit=0`, 400, 'bad_parameter', 'limit'],
    [`${RANGE}&points=raw&page=nonsense`, 400, 'bad_parameter', 'page'],
    [`${RANGE}&points=raw&agg=mean`, 400, 'conflicting_parameters', 'agg'],
    [`${RANGE}&limit=5`, 400, 'conflicting_parameters', 'limit'],
    [`${RANGE}&agg=median`, 400, 'bad_parameter', 'agg'],
    [`${RANGE}&fill=zero`, 400, 'bad_parameter', 'fill'],
    [`${RANGE}&tz=Mars/Olympus`, 400, 'bad_parameter', 'tz'],
    [`${RANGE}&agg=intervals&tz=Mars/Olympus`, 400, 'bad_parameter', 'tz'],
    [`${RANGE}&format=xml`, 400, 'bad_parameter', 'format'],
    [`${RANGE}&index=depth`, 400, 'not_supported_yet', 'index'],
    ['/v1/range?series=rig-1/nothing&start=now-1h', 404, 'unknown_series', 'series'],
    ['/v1/range?series=999999&start=now-1h', 404, 'unknown_series', 'series'],
    ['/v1/range?match={}&start=1970-01-01T00:00:00Z&step=1ms', 422, 'too_costly', 'step'],
    ['/v1/latest', 400, 'missing_parameter', 'series'],
    ['/v1/series?limit=-1', 400, 'bad_parameter', 'limit'],
    ['/v1/series?page=zzz', 400, 'bad_parameter', 'page'],
    ['/v1/series?match=}', 400, 'bad_parameter', 'match'],
    ['/v1/tail?series=rig-1/mud/spp', 426, 'upgrade_required'],
    ['/nothing', 404, 'not_found'],
    ['/v1/range/', 404, 'not_found'],
    [`/v1/series?match=${'x'.repeat(17_000)}`, 414, 'uri_too_long'],
    ['/broken', 500, 'internal_error'],
  ])('%s', async (path, status, code, parameter) => {
    const response = await ask(path);
    const problem = await readJson(response);
    expect([response.status, problem.code, problem.parameter]).toEqual([status, code, parameter]);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(problem).toMatchObject({ type: expect.any(String), title: expect.any(String), status });
    expect(problem.detail).toEqual(expect.any(String));
    expect(response.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('says nothing of what failed inside, and lives on', async () => {
    expect(await (await ask('/broken')).text()).not.toContain('secret');
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('names a step that would be admitted, and that step is admitted', async () => {
    const costly = '/v1/range?match={}&start=2020-01-01T00:00:00Z&step=';
    const problem = await readJson(await ask(`${costly}1s`));
    expect((await ask(`${costly}${problem.step}`)).status).toBe(200);
  });

  it('refuses headers of more than 16 KB', async () => {
    const response = await ask('/v1/me', { headers: { 'x-long': 'x'.repeat(17_000) } });
    expect(response.status).toBe(431);
  });

  it('refuses a body of more than 16 MB', async () => {
    const body = new Uint8Array(16 * 1024 * 1024 + 1);
    const response = await ask('/v1/tickets', { method: 'POST', body });
    expect(response.status).toBe(413);
  });

  it('says which methods a path takes', async () => {
    const response = await ask('/v1/range', { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await readJson(response)).allow).toBeUndefined();
  });

  it('says that no type can be given that is accepted', async () => {
    const response = await ask(RANGE, { headers: { accept: 'image/png' } });
    expect([response.status, (await readJson(response)).code]).toEqual([406, 'not_acceptable']);
  });
});

describe('who may', () => {
  const PRIVATE = ['/v1/series', RANGE, '/v1/latest?match={}', '/v1/me', '/v1/tail?match={}'];

  it.each(PRIVATE)('%s needs a token and says how to send it', async (path) => {
    const response = await fetch(`${server.url}${path}`);
    expect([response.status, (await readJson(response)).code]).toEqual([401, 'token_missing']);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
  });

  it.each(['Bearer nonsense', 'Basic abc', 'Bearer'])('is not whoever sends %s', async (header) => {
    const response = await ask('/v1/me', { headers: { authorization: header } });
    expect([response.status, (await readJson(response)).code]).toEqual([401, 'token_invalid']);
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('is not whose token is over', async () => {
    const over = await server.token({ ttlS: -10 });
    const response = await ask('/v1/me', { headers: { authorization: `Bearer ${over}` } });
    expect([response.status, (await readJson(response)).code]).toEqual([401, 'token_expired']);
  });

  it('carries the policy’s reason where it says no', async () => {
    const device = await server.token({ roles: ['device'] });
    const response = await ask(RANGE, { headers: { authorization: `Bearer ${device}` } });
    const problem = await readJson(response);
    expect([response.status, problem.code]).toEqual([403, 'forbidden']);
    expect(problem.decision_id).toBe(response.headers.get('tailrace-decision'));
    expect(problem.detail).toMatch(/device|role/);
  });

  it('does not tell what is hidden from what is not there', async () => {
    const narrow = await server.token({ claims: { assets: ['rig-2'] } });
    const headers = { authorization: `Bearer ${narrow}` };
    const strange = await server.token({ tenant: 'other' });
    const hidden = await ask(`/v1/latest?series=${spp}`, { headers });
    const foreign = await ask(`/v1/latest?series=${spp}`, {
      headers: { authorization: `Bearer ${strange}` },
    });
    const absent = await ask('/v1/latest?series=99999', { headers });
    expect([hidden.status, foreign.status, absent.status]).toEqual([404, 404, 404]);
    const text = async (response: Response) => {
      const id = response.headers.get('tailrace-decision') ?? '';
      expect(id).not.toBe('');
      // The decision's id first: it may have the series' number in it.
      return (await response.text()).replace(id, 'decision').replaceAll(String(spp), '99999');
    };
    expect(await text(hidden)).toBe(await text(absent));
  });

  it('sees only its own in lists, ranges and latest values', async () => {
    const narrow = await server.token({ claims: { assets: ['rig-2'] } });
    const headers = { authorization: `Bearer ${narrow}` };
    for (const path of ['/v1/series', '/v1/latest?match={}', '/v1/range?match={}&start=0']) {
      const { series } = await readJson(await ask(path, { headers }));
      expect(series.map((one: { asset: string }) => one.asset)).toEqual(['rig-2']);
    }
  });

  it('learns from /v1/me who it is and what it may', async () => {
    const narrow = await server.token({ claims: { assets: ['rig-2'] } });
    const me = await readJson(
      await ask('/v1/me', { headers: { authorization: `Bearer ${narrow}` } }),
    );
    expect(me).toMatchObject({ subject: 'acme/viewer', tenant: 'acme', roles: ['viewer'] });
    expect(me.actions.range).toEqual({ series: ['{asset="rig-2"}'], obligations: {} });
    expect(me.actions.write).toBeUndefined();
    expect(me.policy.revision).toEqual(expect.any(String));
  });
});

describe('lists and latest values', () => {
  it('pages series, each once', async () => {
    const ids: number[] = [];
    let page = '';
    for (;;) {
      const { series, next } = await json(`/v1/series?limit=1${page}`);
      ids.push(...series.map((one: { id: number }) => one.id));
      if (next === undefined) break;
      page = `&page=${next}`;
    }
    const { series } = await json('/v1/series');
    expect(ids).toEqual(series.map((one: { id: number }) => one.id));
    expect(series[0]).toEqual({
      ...{ id: spp, asset: 'rig-1', channel: 'mud/spp', labels: {}, unit: null },
      ...{ kind: 'number', index: 'time', first: T0, last: T0 + 60_000 },
    });
  });

  it('gives the newest points', async () => {
    const answer = await json('/v1/latest?series=rig-1/mud/spp&series=rig-1/activity');
    expect(answer.cursor).toEqual(expect.any(String));
    expect(answer.series.map(({ t, v }: { t: number; v: unknown }) => [t, v])).toEqual([
      [T0 + 60_000, 2],
      [T0 + 60_000, 'tripping, "out"'],
    ]);
    expect(answer.series[0].age_ms).toBeGreaterThan(0);
  });
});

describe('the habits of HTTP', () => {
  it('answers 304 without a body while nothing has changed', async () => {
    const first = await ask(`${RANGE}&step=1m`);
    const etag = first.headers.get('etag') ?? '';
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const again = await ask(`${RANGE}&step=1m`, { headers: { 'if-none-match': `"x", ${etag}` } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(again.headers.get('etag')).toBe(etag);
    await server.write('rig-1', 'mud/spp', [[T0 + 3_000, 4]]);
    const changed = await ask(`${RANGE}&step=1m`, { headers: { 'if-none-match': etag } });
    expect(changed.status).toBe(200);
    await server.write('rig-1', 'mud/spp', [[T0 + 3_000, 3]]);
  });

  it.each(['gzip', 'br'])('compresses large answers as %s', async (encoding) => {
    const response = await ask('/openapi.json', { headers: { 'accept-encoding': encoding } });
    expect(response.headers.get('content-encoding')).toBe(encoding);
    expect((await readJson(response)).openapi).toBe('3.1.0');
    const plain = await ask('/openapi.json', { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
  });

  it('sends a large answer whole, whatever its length', async () => {
    const points = Array.from({ length: 20_000 }, (_, i) => [T0 + i, Math.sin(i)] as const);
    await server.write('rig-4', 'wave', points);
    const path = `/v1/range?series=rig-4/wave&start=${T0 / 1_000}&end=${T0 / 1_000 + 20}&points=raw`;
    const response = await ask(path, { headers: { 'accept-encoding': 'identity' } });
    const answer = await readJson(response);
    expect(answer.series[0].v).toEqual(points.map(([, v]) => v));
  });

  it('answers HEAD as GET without the body', async () => {
    const get = await ask(`${RANGE}&step=1m`, { headers: { 'accept-encoding': 'identity' } });
    const head = await ask(`${RANGE}&step=1m`, {
      method: 'HEAD',
      headers: { 'accept-encoding': 'identity' },
    });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(head.headers.get('etag')).toBe(get.headers.get('etag'));
  });

  it('goes on with the caller’s trace', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const response = await ask('/healthz', {
      headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` },
    });
    expect(response.headers.get('traceparent')).toMatch(
      new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`),
    );
    expect(response.headers.get('traceparent')).not.toContain('b7ad6b7169203331');
  });

  it('says what an answer depends on', async () => {
    const response = await ask('/v1/me');
    expect(response.headers.get('vary')).toBe('Authorization, Accept, Accept-Encoding, Origin');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('lets pages of listed origins read, and no others', async () => {
    const preflight = (origin: string) =>
      fetch(`${server.url}/v1/range`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET' },
      });
    const allowed = await preflight('https://charts.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://charts.example');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
    const other = await preflight('https://evil.example');
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    const read = await ask('/v1/me', { headers: { origin: 'https://charts.example' } });
    expect(read.headers.get('access-control-allow-origin')).toBe('https://charts.example');
    const unlisted = await ask('/v1/me', { headers: { origin: 'https://charts.example.evil' } });
    expect(unlisted.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('shows health, readiness and metrics without a token', async () => {
    const plain = (path: string) => fetch(`${server.url}${path}`);
    expect((await plain('/healthz')).status).toBe(200);
    expect(await readJson(await plain('/readyz'))).toMatchObject({ status: 'ready' });
    const metrics = await plain('/metrics');
    expect(metrics.headers.get('content-type')).toContain('application/openmetrics-text');
    expect(await metrics.text()).toContain('tailrace_query_seconds_count{route="/v1/range"');
  });
});
