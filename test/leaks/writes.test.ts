// What a write is answered says nothing of what is there: a series that the caller may not write to is refused alike
// whether it exists or not, and so is an asset. And what is refused in part is refused as a whole.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeRoutes } from '../../cli/write-routes.ts';
import { DEFAULT_RULES, fixedRules } from '../../ingest/topics/rules.ts';
import { createWriteDoor } from '../../ingest/write/door.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { changeGrants } from '../policy.ts';
import { startTestQueryServer, type TestQueryServer } from '../query-server.ts';

const published: string[] = [];
let database: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const door = createWriteDoor({
    rules: fixedRules(DEFAULT_RULES),
    outlet: {
      carriesContentType: async () => true,
      mayLoseContentType: false,
      publish: async ({ topic }) => void published.push(topic),
    },
    clock: Date.now,
  });
  server = await startTestQueryServer({
    database: database.database,
    routes: writeRoutes(door),
    policy: (shipped) =>
      changeGrants(shipped, (grant) => ({
        ...grant,
        selectors: grant.allow ? [[{ label: 'level', op: '!=', value: 'secret' }]] : [],
      })),
  });
  token = await server.token({ roles: ['device'], claims: { assets: ['rig-1'] } });
  const labels = { level: 'secret' };
  await server.write('rig-1', 'mud/there', [[Date.now(), 1]], { labels });
  await server.write('rig-2', 'mud/there', [[Date.now(), 1]]);
  await server.write('rig-3', 'mud/there', [[Date.now(), 1]], { tenant: 'zephyr' });
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

beforeEach(() => {
  published.length = 0;
});

async function post(path: string, body: string): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  const text = (await response.text()).replace(/"decision_id":"[^"]+"/g, '');
  return { status: response.status, text };
}

const line = (measurement: string, level: string) => `${measurement},level=${level} there=1`;

describe.each(['/v1/write?asset=', '/api/v2/write?bucket=', '/write?db='])('POST %s', (path) => {
  it.each(['rig-2', 'rig-3'])(
    'refuses %s, which is there, as an asset that is nowhere',
    async (rig) => {
      const there = await post(`${path}${rig}`, line('mud', 'open'));
      const nowhere = await post(`${path}rig-9`, line('mud', 'open'));
      expect(there.status).toBe(403);
      expect(there.text.replaceAll(rig, 'rig-9')).toBe(nowhere.text);
      expect(published).toEqual([]);
    },
  );

  it('refuses a series that is there as one that is nowhere', async () => {
    const there = await post(`${path}rig-1`, line('mud', 'secret'));
    const nowhere = await post(`${path}rig-1`, line('gas', 'secret'));
    expect(there.status).toBe(403);
    expect(there.text.replaceAll('mud/', 'gas/')).toBe(nowhere.text);
    expect(published).toEqual([]);
  });

  it('writes none of a payload of which one series is refused', async () => {
    const both = await post(`${path}rig-1`, `${line('mud', 'open')}\n${line('mud', 'secret')}`);
    expect(both.status).toBe(403);
    expect(both.text).toContain('rig-1/mud/there, level=secret');
    expect(published).toEqual([]);
    const open = await post(`${path}rig-1`, line('mud', 'open'));
    expect(open.status).toBeLessThan(300);
    expect(published).toEqual(['t/acme/rig-1/_']);
  });
});
