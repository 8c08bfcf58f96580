// Revoking by HTTP, as an admin does it, with the tokens of others refused from then on.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const START_MS = 1_800_000_000_000;

let opened: TestDatabase;
let server: TestQueryServer;
let nowMs = START_MS;
beforeAll(async () => {
  opened = await openTestDatabase();
  server = await startTestQueryServer({ database: opened.database, clock: () => nowMs });
});
afterAll(async () => {
  await server.stop();
  await opened.dispose();
});

const admin = (tenant = 'acme') => server.token({ tenant, roles: ['admin'] });

function ask(token: string, body?: unknown, query = ''): Promise<Response> {
  return fetch(`${server.url}/v1/revocations${query}`, {
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined
      ? {}
      : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

const me = (token: string) =>
  fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });

describe('POST /v1/revocations', () => {
  it('ends a token by its id, and no other', async () => {
    const [one, other] = await Promise.all([
      server.token({ claims: { jti: 'one' } }),
      server.token({ claims: { jti: 'other' } }),
    ]);
    expect((await me(one)).status).toBe(200);
    const revoked = await ask(await admin(), { jti: 'one', expires_at: START_MS / 1_000 + 3_600 });
    expect(revoked.status).toBe(201);
    expect(await readJson(revoked)).toEqual({
      id: expect.any(Number),
      jti: 'one',
      revoked_at: START_MS,
      expires_at: START_MS + 3_600_000,
      revoked_by: 'acme/admin',
    });
    const refused = await me(one);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('token_revoked');
    expect(await readJson(refused)).toMatchObject({ code: 'token_revoked', status: 401 });
    expect((await me(other)).status).toBe(200);
  });

  it('ends a subject’s tokens issued until now, not those issued later', async () => {
    const claims = { sub: 'ann' };
    const before = await server.token({ claims });
    const revoked = await ask(await admin(), { subject: 'ann' });
    expect(await readJson(revoked)).toEqual({
      id: expect.any(Number),
      subject: 'ann',
      revoked_at: START_MS,
      revoked_by: 'acme/admin',
    });
    expect(await readJson(await me(before))).toMatchObject({ code: 'token_revoked' });
    nowMs += 1_000;
    expect((await me(await server.token({ claims }))).status).toBe(200);
    const withoutIat = await server.token({ claims: { ...claims, iat: undefined } });
    expect(await readJson(await me(withoutIat))).toMatchObject({ code: 'token_revoked' });
  });

  it('touches no other tenant’s', async () => {
    const claims = { sub: 'bob', jti: 'bob-1' };
    const theirs = await server.token({ tenant: 'other', claims });
    await ask(await admin('acme'), { subject: 'bob' });
    await ask(await admin('acme'), { jti: 'bob-1' });
    expect((await me(theirs)).status).toBe(200);
    const listed = await readJson(await ask(await admin('other')));
    expect(listed).toEqual({ revocations: [] });
  });

  test.each([['viewer'], ['operator'], ['device']])('is not for a %s', async (role) => {
    const refused = await ask(await server.token({ roles: [role] }), { subject: 'ann' });
    expect(refused.status).toBe(403);
    expect((await ask(await server.token({ roles: [role] }))).status).toBe(403);
  });

  const WRONG: [body: unknown, code: string, parameter?: string][] = [
    ['', 'bad_request'],
    ['{', 'bad_request'],
    ['[]', 'bad_request'],
    ['null', 'bad_request'],
    [{}, 'missing_parameter', 'subject'],
    [{ subject: 'a', jti: 'b' }, 'conflicting_parameters', 'jti'],
    [{ subject: '' }, 'bad_parameter', 'subject'],
    [{ subject: 7 }, 'bad_parameter', 'subject'],
    [{ subject: null }, 'bad_parameter', 'subject'],
    [{ subject: 's'.repeat(1_025) }, 'bad_parameter', 'subject'],
    [{ jti: ['a'] }, 'bad_parameter', 'jti'],
    [{ jti: 'a\0b' }, 'bad_parameter', 'jti'],
    [{ subject: 'a', tenant: 'other' }, 'bad_parameter', 'tenant'],
    [{ subject: 'a', expires: '2030-01-01T00:00:00Z' }, 'bad_parameter', 'expires'],
    [{ subject: 'a', expires_at: 'soon' }, 'bad_parameter', 'expires_at'],
    [{ subject: 'a', expires_at: null }, 'bad_parameter', 'expires_at'],
    [{ subject: 'a', expires_at: START_MS / 1_000 - 1 }, 'bad_parameter', 'expires_at'],
    [{ subject: 'a', expires_at: '2001-01-01T00:00:00Z' }, 'bad_parameter', 'expires_at'],
    [{ subject: 'a', expires_at: START_MS }, 'bad_parameter', 'expires_at'],
  ];
  test.each(WRONG)('refuses the body %j as %s', async (body, code, parameter) => {
    const refused = await ask(await admin(), body);
    expect(refused.status).toBe(400);
    expect(await readJson(refused)).toMatchObject({
      code,
      ...(parameter === undefined
        ? {}
        : { parameter, detail: expect.stringContaining(`${parameter}`) }),
    });
  });

  it('refuses a body that is too long', async () => {
    expect((await ask(await admin(), { subject: 's'.repeat(20_000) })).status).toBe(413);
  });
});

describe('GET /v1/revocations', () => {
  it('lists the newest first, in pages', async () => {
    const token = await admin('paged');
    for (const jti of ['a', 'b', 'c']) await ask(token, { jti });
    const first = await readJson(await ask(token, undefined, '?limit=2'));
    expect(first.revocations.map((one: { jti: string }) => one.jti)).toEqual(['c', 'b']);
    const second = await readJson(await ask(token, undefined, `?limit=2&page=${first.next}`));
    expect(second.revocations.map((one: { jti: string }) => one.jti)).toEqual(['a']);
    expect(second.next).toBeUndefined();
    const wrong = await ask(token, undefined, '?page=x');
    expect(await readJson(wrong)).toMatchObject({ code: 'bad_parameter', parameter: 'page' });
  });
});

it('the OpenAPI page says what the body is', async () => {
  const { paths } = await readJson(await fetch(`${server.url}/openapi.json`));
  const { requestBody, responses } = paths['/v1/revocations'].post;
  expect(Object.keys(requestBody.content['application/json'].schema.properties)).toEqual([
    'subject',
    'jti',
    'expires_at',
  ]);
  expect(Object.keys(responses)).toEqual(['201', 'default']);
});
