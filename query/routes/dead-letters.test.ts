// Dead letters over HTTP: the contract's shape, pages, and who sees which.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../policies/grant.ts';
import { type DeadLetter, insertDeadLetters } from '../../store/dead-letters.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { changeGrants } from '../../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const NOW_MS = Date.UTC(2026, 0, 10, 12);

/** Received so many seconds ago. */
function letter(agoS: number, topic: string, of: Partial<DeadLetter> = {}): DeadLetter {
  const [, tenant = null, asset] = topic.split('/');
  const receivedUs = (NOW_MS - agoS * 1_000) * 1_000 + 7;
  const found = { receivedUs, tenant, topic, asset, code: 'payload_not_json', reason: 'No JSON.' };
  return { ...found, payload: Buffer.from(`of ${topic}`), readings: 1, ...of };
}

interface Shown {
  readonly id: number;
  readonly topic: string;
}

let test: TestDatabase;
let server: TestQueryServer;

beforeAll(async () => {
  test = await openTestDatabase();
  server = await startTestQueryServer({
    database: test.database,
    clock: () => NOW_MS,
    policy: (shipped) =>
      changeGrants(shipped, (grant, { claims }) =>
        grant.allow ? { ...grant, ...(claims.change as Partial<Grant> | undefined) } : grant,
      ),
  });
  await insertDeadLetters(test.database, [
    letter(50, 't/acme/rig-1/flow', { contentType: 'text/csv', payload: Buffer.from([0, 255]) }),
    letter(40, 't/acme/rig-2/flow', { code: 'kind_changed' }),
    letter(30, 't/acme', { asset: null, code: 'no_rule' }),
    letter(20, 't/zephyr/rig-1/flow'),
    letter(10, 'alone', { tenant: null, asset: null, code: 'no_rule' }),
  ]);
});

afterAll(async () => {
  await server.stop();
  await test.dispose();
});

interface Caller {
  readonly tenant?: string;
  readonly roles?: string[];
  readonly claims?: Record<string, unknown>;
}

async function ask(path: string, caller: Caller = {}, method = 'GET'): Promise<Response> {
  const { tenant = 'acme', roles = ['operator'], claims = {} } = caller;
  const token = await server.token({ tenant, roles, claims });
  return fetch(server.url + path, { method, headers: { authorization: `Bearer ${token}` } });
}

async function list(
  query = '',
  caller: Caller = {},
): Promise<{ dead_letters: Shown[]; next?: string }> {
  const response = await ask(`/v1/dead-letters?${query}`, caller);
  expect(response.status).toBe(200);
  return readJson(response);
}

const topicsOf = async (query = '', caller: Caller = {}) =>
  (await list(query, caller)).dead_letters.map(({ topic }) => topic);

it('lists letters as they came, byte by byte', async () => {
  const { dead_letters: letters } = await list('start=now-1m&end=now-45s');
  expect(letters).toEqual([
    {
      ...{ id: 1, received_at: NOW_MS - 50_000 + 0.007, topic: 't/acme/rig-1/flow' },
      ...{ code: 'payload_not_json', reason: 'No JSON.', bytes: 'AP8=', content_type: 'text/csv' },
      ...{ readings: 1, attempts: 0 },
    },
  ]);
});

it.each([
  ['', ['t/acme', 't/acme/rig-2/flow', 't/acme/rig-1/flow']],
  ['code=kind_changed', ['t/acme/rig-2/flow']],
  ['topic=t/acme/rig', ['t/acme/rig-2/flow', 't/acme/rig-1/flow']],
  ['topic=t/%2B/rig-1/%23', ['t/acme/rig-1/flow']],
  ['end=now-45s', ['t/acme/rig-1/flow']],
  ['replayed=true', []],
  ['replayed=false&code=no_rule', ['t/acme']],
])('finds by %j', async (query, topics) => {
  expect(await topicsOf(query)).toEqual(topics);
});

it.each([
  'start=x',
  'start=now&end=now',
  'limit=0',
  'limit=1001',
  'page=x',
  'replayed=maybe',
  'code=%00',
  'topic=a&topic=b',
])('refuses %s', async (query) => {
  expect((await ask(`/v1/dead-letters?${query}`)).status).toBe(400);
});

it('goes page by page', async () => {
  const first = await list('limit=2');
  const second = await list(`limit=2&page=${first.next}`);
  expect([first, second].map((page) => page.dead_letters.map(({ id }) => id))).toEqual([
    [3, 2],
    [1],
  ]);
  expect(second).not.toHaveProperty('next');
});

const all = { selectors: [[]] };
const change = (of: object) => ({ claims: { change: of } });

describe('sees', () => {
  const acme = ['t/acme', 't/acme/rig-2/flow', 't/acme/rig-1/flow'];
  it.each<[string, Caller, string[]]>([
    ['an operator: of its tenant', {}, acme],
    ['an admin: also what is nobody’s', { roles: ['admin'] }, ['alone', ...acme]],
    ['another tenant', { tenant: 'zephyr' }, ['t/zephyr/rig-1/flow']],
    ['some assets: of those', { claims: { assets: ['rig-2', 'rig-3'] } }, ['t/acme/rig-2/flow']],
    ['no assets: nothing', { claims: { assets: [] } }, []],
    [
      'an admin of some assets',
      { roles: ['admin'], claims: { assets: ['rig-1'] } },
      ['t/acme/rig-1/flow'],
    ],
    [
      'assets by a pattern',
      change({ selectors: [[{ label: 'asset', op: '=~', value: '.*-1' }]] }),
      ['t/acme/rig-1/flow'],
    ],
    [
      'channels: nothing, for nobody knows which are in it',
      change({ selectors: [[{ label: 'channel', op: '=~', value: '.*' }]] }),
      [],
    ],
    ['a clearance: nothing', { claims: { clearance: 'internal' } }, []],
    ['hidden labels: nothing', change({ ...all, obligations: { redact: ['crew'] } }), []],
    ['minutes: nothing', change({ ...all, obligations: { finest_step_ms: 60_000 } }), []],
    ['the last hour: nothing', change({ ...all, obligations: { lookback_ms: 3_600_000 } }), []],
    [
      'a delay: what was received before it',
      change({ ...all, obligations: { delay_ms: 35_000 } }),
      ['t/acme/rig-2/flow', 't/acme/rig-1/flow'],
    ],
  ])('%s', async (_who, caller, topics) => {
    expect(await topicsOf('', caller)).toEqual(topics);
  });
});

it.each([{ roles: ['viewer'] }, { roles: ['device'] }])('refuses %j', async (caller) => {
  expect((await ask('/v1/dead-letters', caller)).status).toBe(403);
  expect((await ask('/v1/dead-letters/1/replay', caller, 'POST')).status).toBe(403);
});

describe('a replay', () => {
  it('is taken, and shows until it is worked off', async () => {
    const response = await ask('/v1/dead-letters/1/replay', {}, 'POST');
    expect(response.status).toBe(202);
    const answer = await readJson(response);
    expect(answer).toMatchObject({ id: 1, topic: 't/acme/rig-1/flow', bytes: 'AP8=' });
    expect(answer.replay_requested_at).toBeGreaterThan(0);
    expect(answer).not.toHaveProperty('replayed_at');
    const again = await readJson(await ask('/v1/dead-letters/1/replay', {}, 'POST'));
    expect(again).toEqual(answer);
  });

  it('of what is hidden, absent or no number is the same 404', async () => {
    const foreign = ['4', '5', '99', '0', '-1', 'x', '1.5', '1e3', '%31%', '99999999999999999999'];
    const answers = await Promise.all(
      foreign.map(async (id) => ask(`/v1/dead-letters/${id}/replay`, {}, 'POST')),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    const [hidden, absent] = await Promise.all([answers[0]!, answers[2]!].map(readJson));
    expect({ ...hidden, decision_id: '' }).toEqual({ ...absent, decision_id: '' });
    expect(
      (await ask('/v1/dead-letters/2/replay', { claims: { assets: ['rig-1'] } }, 'POST')).status,
    ).toBe(404);
    expect((await ask('/v1/dead-letters/5/replay', { roles: ['admin'] }, 'POST')).status).toBe(202);
  });

  it('is asked for by POST, and described', async () => {
    const wrong = await ask('/v1/dead-letters/1/replay');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    const { paths } = await readJson(await fetch(`${server.url}/openapi.json`));
    expect(paths['/v1/dead-letters/{id}/replay'].post).toMatchObject({
      parameters: [{ name: 'id', in: 'path', required: true }],
      responses: { 202: {} },
    });
    // One label for all ids.
    const metrics = await server.metrics.exposition();
    expect(metrics).toContain('route="/v1/dead-letters/{id}/replay"');
    expect(metrics).not.toContain('route="/v1/dead-letters/1/replay"');
  });
});
