// Bundles are swapped while a thousand requests a second come in: none fails, and none is decided by a mix of two.

import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type LivePolicy, openPolicy } from '../policies/bundles/keeper.ts';
import { ALLOWED, makeBundle, publish } from '../test/bundles.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';

const REQUESTS_PER_S = 1_000;
/** Beyond this the machine is slower than the load: it then gets as much as it takes. */
const OPEN_MAX = 64;
const REVISIONS = 4;

let folder: string;
let policy: LivePolicy;
let database: TestDatabase;
let server: TestQueryServer;
const bundlePath = () => join(folder, 'plant.tar.gz');

/** Every action is granted, with the revision's own number as an obligation. */
function numbered(revision: number): Uint8Array {
  const obligations = { max_points: revision };
  return makeBundle({ revision: String(revision), answer: { ...ALLOWED, obligations } });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-swap-'));
  await publish(bundlePath(), numbered(1));
  policy = await openPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: Date.now },
    ...{ location: bundlePath(), ageMaxMs: 86_400_000, dataDir: join(folder, 'data') },
  });
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database, policy: () => policy });
});

afterAll(async () => {
  await server.stop();
  await policy.stop();
  await database.dispose();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

async function ask(agent: Agent, token: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    get(`${server.url}/v1/me`, { agent, headers }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
    }).on('error', reject);
  });
}

/** The revisions that an answer's fifteen decisions were taken by, with the one that it names. */
function revisionsIn({ body }: Answer): Set<number> {
  const { actions, policy: named } = JSON.parse(body) as {
    actions: Record<string, { obligations: { max_points: number } }>;
    policy: { revision: string };
  };
  const decided = Object.values(actions).map(({ obligations }) => obligations.max_points);
  return new Set([Number(named.revision), ...decided]);
}

it('answers every request by one revision from beginning to end', async () => {
  const token = await server.token({ roles: ['admin'] });
  const agent = new Agent({ keepAlive: true, maxSockets: OPEN_MAX });
  const answers: Answer[] = [];
  const open = new Set<Promise<unknown>>();
  let asking = true;

  function askOne(): void {
    const answer = ask(agent, token).then((given) => answers.push(given));
    open.add(answer);
    void answer.finally(() => open.delete(answer));
  }
  const load = (async () => {
    const startMs = performance.now();
    for (let asked = 0; asking; await delay(5)) {
      const due = ((performance.now() - startMs) / 1_000) * REQUESTS_PER_S;
      for (; asked < due && open.size < OPEN_MAX; asked++) askOne();
      asked = Math.max(asked, due - OPEN_MAX);
    }
    await Promise.all(open);
  })();
  for (let revision = 1; revision <= REVISIONS; revision++) {
    if (revision > 1) await publish(bundlePath(), numbered(revision));
    // In force is not enough: the load goes on until somebody was answered by it.
    await eventually(
      async () => answers.at(-1)?.body,
      (body) => body?.includes(`"revision":"${revision}"`) === true,
    );
  }
  asking = false;
  await load;
  const seen = new Set<number>();
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    const revisions = revisionsIn(answer);
    expect(revisions.size).toBe(1);
    for (const revision of revisions) seen.add(revision);
  }
  agent.destroy();
  expect([...seen].sort()).toEqual([1, 2, 3, 4]);
});
