// How many tails a subject may have open, and that each way in which one ends makes room for another.
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import type { Policy } from '../../policies/decide/decision.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { type ChangingPolicy, changingPolicy } from '../../test/policy.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, openStream, type TailClient } from '../../test/tail-client.ts';
import { amountsOf } from '../limits/amounts.ts';

const MAX = 2;
const PATIENCE = { timeout: 20_000 };

let database: TestDatabase;
let server: TestQueryServer;
let rules: ChangingPolicy;
let nowMs = Date.UTC(2026, 0, 2, 12);

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    clock: () => nowMs,
    limits: amountsOf(readConfig({ LIMIT_SUBJECT_TAILS: String(MAX) })),
    policy: (shipped: Policy) => {
      rules = changingPolicy(shipped);
      return rules.policy;
    },
  });
  await server.write('rig-1', 'spp', [[nowMs, 0]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function connect(bearer: string): Promise<TailClient> {
  const client = await connectTail({ url: server.url, bearer });
  onTestFinished(() => client.socket.terminate());
  return client;
}

async function stream(bearer: string) {
  const headers = { authorization: `Bearer ${bearer}` };
  const opened = await openStream(`${server.url}/v1/tail?match={}`, headers);
  onTestFinished(() => opened.abort());
  return opened;
}

/** Tries until there is room. */
async function untilOpen(tokenOf: () => Promise<string>): Promise<void> {
  const status = async () => {
    const opening = connect(await tokenOf());
    return opening.then(
      () => 'open',
      (refused) => refused.status,
    );
  };
  await expect.poll(status, PATIENCE).toBe('open');
}

type Ending = (clients: readonly TailClient[], sub: string) => void | Promise<void>;

it.each<[how: string, end: Ending]>([
  ['the client closes', (clients) => clients.forEach(({ socket }) => void socket.close())],
  ['it goes away', (clients) => clients.forEach(({ socket }) => void socket.terminate())],
  [
    'its token is over',
    () => {
      nowMs += 66_000;
    },
  ],
  [
    'its token is revoked',
    (_, subject) => {
      server.revocations.add({ tenant: 'acme', subject, revokedAtMs: nowMs });
      // Tokens of a later second are others.
      nowMs += 1_000;
    },
  ],
  [
    'it is denied',
    async (clients) => {
      rules.put((grant) => ({ ...grant, allow: false, selectors: [] }));
      await Promise.all(clients.map(({ closed }) => closed));
      rules.put((grant) => grant);
    },
  ],
])('a subject has so many tails, and room for another once %s', async (how, end) => {
  const sub = `who: ${how}`;
  const tokenOf = () => server.token({ ttlS: 60, claims: { sub } });
  const bearer = await tokenOf();
  const clients = [await connect(bearer), await connect(bearer)];
  await expect(connect(bearer)).rejects.toMatchObject({ status: 429 });
  const { status, headers } = (await stream(bearer)).response;
  expect([status, headers.get('retry-after')]).toEqual([429, '1']);
  // Somebody else has room.
  await connect(await server.token({ claims: { sub: `not ${sub}` } }));
  await end(clients, sub);
  await untilOpen(tokenOf);
});

it('counts event streams with them, and the refused not at all', async () => {
  const bearer = await server.token({ claims: { sub: 'streams' } });
  const opened = [await stream(bearer), await stream(bearer)];
  for (const one of opened) await one.next('subscribed');
  await expect(connect(bearer)).rejects.toMatchObject({ status: 429 });
  opened[0]?.abort();
  const protocol = 'mqtt';
  for (let i = 0; i < MAX; i += 1) {
    const refused = connectTail({ url: server.url, bearer, protocol });
    await expect(refused).rejects.toMatchObject({ status: 400 });
  }
  await untilOpen(async () => bearer);
});
