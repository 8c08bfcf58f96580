// GET /v1/decisions over HTTP, with the decisions that the server itself takes.
import { once } from 'node:events';
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../policies/decide/decision.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { changeGrants } from '../../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

interface Shown {
  readonly id: string;
  readonly time: number;
  readonly subject: string;
  readonly action: string;
  readonly allowed: boolean;
}

let test: TestDatabase;
let server: TestQueryServer;
let admin: string;
let viewer: string;

beforeAll(async () => {
  test = await openTestDatabase();
  server = await startTestQueryServer({ database: test.database });
  admin = await server.token({ roles: ['admin'], claims: { sub: 'admin' } });
  viewer = await server.token({ claims: { sub: 'ann', email: 'ann@example.org' } });
  await server.write('rig-1', 'spp', [[Date.now() - 1_000, 1]]);
});

afterAll(async () => {
  await server.stop();
  await test.dispose();
});

function ask(path: string, token: string): Promise<Response> {
  return fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } });
}

async function decisions(query: string, token = admin): Promise<Shown[]> {
  const response = await ask(`/v1/decisions?${query}`, token);
  expect(response.status).toBe(200);
  return (await readJson(response)).decisions;
}

function idOf(response: Response): string {
  const id = response.headers.get('tailrace-decision');
  expect(id).toEqual(expect.any(String));
  return id ?? '';
}

describe('the id that an answer names', () => {
  const cases: [string, () => Promise<Response>, number, object][] = [
    [
      'a range',
      () => ask('/v1/range?series=rig-1/spp&start=now-1h', viewer),
      200,
      { action: 'range', allowed: true, subject: 'ann', tenant: 'acme' },
    ],
    ['a list', () => ask('/v1/series', viewer), 200, { action: 'series', allowed: true }],
    ['a latest value', () => ask('/v1/latest?match={}', viewer), 200, { action: 'latest' }],
    [
      'a denial',
      () => ask('/v1/decisions', viewer),
      403,
      { action: 'decisions', allowed: false, reason: expect.stringContaining('may') },
    ],
    ['a 404', () => ask('/v1/range?series=no/such&start=now-1h', viewer), 404, { action: 'range' }],
    [
      'a 422',
      () => ask('/v1/range?series=rig-1/spp&start=now-1000d&step=1ms', viewer),
      422,
      { action: 'range', allowed: true },
    ],
  ];
  it.each(cases)('%s: finds its record at once', async (_, answer, status, record) => {
    const response = await answer();
    const id = idOf(response);
    expect(response.status).toBe(status);
    const body = await readJson(response);
    if (status >= 400) expect(body.decision_id).toBe(id);
    if ('policy' in body) expect(body.policy.decision_id).toBe(id);
    expect(await decisions(`id=${id}`)).toEqual([expect.objectContaining({ id, ...record })]);
  });

  it.each([
    ['opened', () => viewer, 101],
    ['refused', () => server.token({ roles: ['device'] }), 403],
  ])('stands in the answer to a WebSocket that is %s', async (_, token, status) => {
    const headers = {
      ...{ authorization: `Bearer ${await token()}`, connection: 'Upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    };
    const request = get(`${server.url}/v1/tail`, { headers });
    const [answer] = await Promise.race([once(request, 'upgrade'), once(request, 'response')]);
    request.destroy();
    expect(answer.statusCode).toBe(status);
    expect(answer.headers.traceparent).toMatch(/^00-/);
    const id = answer.headers['tailrace-decision'];
    expect(await decisions(`id=${id}`)).toMatchObject([
      { action: 'tail', allowed: status === 101 },
    ]);
  });

  it('stands in an event stream’s head, and in a 304', async () => {
    const stream = await fetch(`${server.url}/v1/tail?match={}`, {
      headers: { authorization: `Bearer ${viewer}`, accept: 'text/event-stream' },
    });
    const id = idOf(stream);
    await stream.body?.cancel();
    expect(await decisions(`id=${id}`)).toMatchObject([{ action: 'tail' }]);
    const list = await ask('/v1/series', viewer);
    const etag = list.headers.get('etag') ?? '';
    const again = await fetch(`${server.url}/v1/series`, {
      headers: { authorization: `Bearer ${viewer}`, 'if-none-match': etag },
    });
    expect(again.status).toBe(304);
    expect(idOf(again)).not.toBe(idOf(list));
  });
});

it('says all that the policy was asked and answered, but no claim that it does not know', async () => {
  const since = Date.now();
  const response = await ask('/v1/range?series=rig-1/spp&start=1000&end=1060&step=1m', viewer);
  const [record] = await decisions(`id=${idOf(response)}`);
  expect(record).toEqual({
    ...{ id: idOf(response), time: expect.any(Number), tenant: 'acme', subject: 'ann' },
    ...{ action: 'range', allowed: true, reason: 'role viewer may range' },
    ...{ revision: expect.any(String), duration_us: expect.any(Number) },
    input: {
      ...{ action: 'range', tenant: 'acme', now: record?.time, masked: ['subject.email'] },
      request: { protocol: 'http', start: 1e6, end: 1.06e6, step_ms: 60_000 },
      subject: expect.objectContaining({ sub: 'ann', roles: ['viewer'], email: '***' }),
    },
    result: {
      ...{ allow: true, reason: 'role viewer may range', series: [[]], series_count: 1 },
      obligations: {},
    },
  });
  expect(record?.time).toBeGreaterThanOrEqual(since);
  expect(record?.time).toBeLessThanOrEqual(Date.now());
});

it('does not record what nobody asked for', async () => {
  await ask('/v1/me', await server.token({ claims: { sub: 'curious' } }));
  expect(await decisions('subject=curious')).toEqual([]);
});

describe('who sees what', () => {
  it('shows a tenant its own decisions only, also by id', async () => {
    const other = await server.token({ tenant: 'zenith', roles: ['admin'] });
    const id = idOf(await ask('/v1/series', other));
    expect(await decisions(`id=${id}`)).toEqual([]);
    const seen = await decisions('', other);
    expect(seen.map((one) => one.id)).toContain(id);
    for (const one of seen) expect(one).toMatchObject({ tenant: 'zenith' });
  });

  it('shows an admin of some assets the decisions about itself only: others name other assets', async () => {
    const claims = { sub: 'partial', assets: ['rig-1'] };
    const partial = await server.token({ roles: ['admin'], claims });
    const id = idOf(await ask('/v1/series', partial));
    await ask('/v1/series', await server.token({ claims: { assets: ['rig-secret'] } }));
    const response = await ask('/v1/decisions', partial);
    const text = await response.text();
    expect(text).not.toContain('rig-secret');
    expect(text).toContain(id);
    expect(await decisions('subject=ann', partial)).toEqual([]);
  });

  it('shows no label that is redacted for who asks', async () => {
    const policy = (shipped: Policy) =>
      changeGrants(shipped, (grant) => ({
        ...grant,
        selectors: [[{ label: 'site', op: '=', value: 'north' }]],
        obligations: { redact: ['site'] },
      }));
    const { database } = test;
    const narrow = await startTestQueryServer({ database, policy });
    const token = await narrow.token({ roles: ['admin'], claims: { sub: 'red' } });
    await database.writer.query(
      `insert into tailrace.decision values
         ('red-1', now(), 'acme', 'red', 'write', true, '1', '{"labels": {"site": "north", "asset": "a"}}',
           '{"series": [[{"label": "site", "op": "=", "value": "north"}]]}', 0)`,
    );
    const response = await fetch(`${narrow.url}/v1/decisions?id=red-1`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await response.text();
    expect(text).toContain('"labels":{"asset":"a"}');
    expect(text).not.toContain('north');
    await narrow.stop();
  });
});

it('shows where decisions are missing', async () => {
  await test.database.writer.query(
    `insert into tailrace.decision values
       ('gap-1', now(), 'acme', null, 'gap', false, '', '{}', '{"reason": "7 lost", "lost": 7}', 0),
       ('gap-2', now(), 'zenith', null, 'gap', false, '', '{}', '{"reason": "8 lost", "lost": 8}', 0)`,
  );
  expect(await decisions('action=gap')).toMatchObject([
    { id: 'gap-1', subject: null, reason: '7 lost', result: { lost: 7 } },
  ]);
});

describe('what is looked for', () => {
  it('is found by subject, action, result and time, newest first, page by page', async () => {
    const eve = await server.token({ claims: { sub: 'eve' } });
    for (let i = 0; i < 3; i++) {
      await ask('/v1/series', eve);
      await ask('/v1/decisions', eve);
    }
    const all = await decisions('subject=eve');
    expect(all.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['series', 'decisions']),
    );
    expect(all).toHaveLength(6);
    expect(all.map(({ time }) => time)).toEqual(all.map(({ time }) => time).sort((a, b) => b - a));
    const denied = all.filter(({ allowed }) => !allowed);
    expect(await decisions('subject=eve&allowed=false')).toEqual(denied);
    expect(await decisions('subject=eve&action=decisions')).toEqual(denied);
    const middle = all[2]?.time ?? 0;
    const rest = await decisions(
      `subject=eve&end=${encodeURIComponent(new Date(middle).toISOString())}`,
    );
    expect(rest).toEqual(all.filter(({ time }) => time < middle));
    expect(await decisions(`subject=eve&start=${middle / 1_000}`)).toEqual(
      all.filter(({ time }) => time >= middle),
    );
    const paged: Shown[] = [];
    let page = '';
    do {
      const response = await ask(`/v1/decisions?subject=eve&limit=4${page}`, admin);
      const body = await readJson(response);
      paged.push(...body.decisions);
      page = body.next === undefined ? '' : `&page=${body.next}`;
    } while (page !== '');
    expect(paged).toEqual(all);
  });

  it.each([
    ['start', 'start=yesterday'],
    ['end', 'end=1e9'],
    ['end', 'start=now&end=now-1h'],
    ['action', 'action=everything'],
    ['allowed', 'allowed=yes'],
    ['limit', 'limit=0'],
    ['limit', 'limit=1001'],
    ['page', 'page=nowhere'],
    ['page', `page=${Buffer.from('[1]').toString('base64url')}`],
    ['page', `page=${Buffer.from('[1e300,"a"]').toString('base64url')}`],
    ['id', 'id=a&id=b'],
  ])('a wrong %s is a 400 that names it: %s', async (parameter, query) => {
    const response = await ask(`/v1/decisions?${query}`, admin);
    expect([response.status, (await readJson(response)).parameter]).toEqual([400, parameter]);
  });
});
