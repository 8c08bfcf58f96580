// How many tails a subject may have open, and that each way in which one ends makes room for another.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import type { Policy } from '../../policies/decide/decision.ts';
import { type ChangingPolicy, changingPolicy } from '../../test/policy.ts';
import { connectTail, type TailClient } from '../../test/tail-client.ts';
import { startTailServer, type TailServer } from '../../test/tail-server.ts';
import { amountsOf } from '../limits/amounts.ts';

const MAX = 2;
const PATIENCE = { timeout: 20_000 };

let tails: TailServer;
let rules: ChangingPolicy;

beforeAll(async () => {
  tails = await startTailServer({
    limits: amountsOf(readConfig({ LIMIT_SUBJECT_TAILS: String(MAX) })),
    policy: (shipped: Policy) => {
      rules = changingPolicy(shipped);
      return rules.policy;
    },
  });
});

afterAll(() => tails.stop());

const stream = (bearer: string) => tails.stream('match={}', { authorization: `Bearer ${bearer}` });

/** Tries until there is room. */
async function untilOpen(tokenOf: () => Promise<string>): Promise<void> {
  const status = async () => {
    const opening = tails.connect(await tokenOf());
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
      tails.time.nowMs += 66_000;
    },
  ],
  [
    'its token is revoked',
    (_, subject) => {
      tails.server.revocations.add({ tenant: 'acme', subject, revokedAtMs: tails.time.nowMs });
      // Tokens of a later second are others.
      tails.time.nowMs += 1_000;
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
  const tokenOf = () => tails.server.token({ ttlS: 60, claims: { sub } });
  const bearer = await tokenOf();
  const clients = [await tails.connect(bearer), await tails.connect(bearer)];
  await expect(tails.connect(bearer)).rejects.toMatchObject({ status: 429 });
  const { status, headers } = (await stream(bearer)).response;
  expect([status, headers.get('retry-after')]).toEqual([429, '1']);
  // Somebody else has room.
  await tails.connect(await tails.server.token({ claims: { sub: `not ${sub}` } }));
  await end(clients, sub);
  await untilOpen(tokenOf);
});

it('a subject has no more tails than that, however many handshakes come at once', async () => {
  // A token that is new to the server: all of them wait for one verification, and go on at one moment.
  const bearer = await tails.server.token({ claims: { sub: 'burst' } });
  const opening = Array.from({ length: 20 }, () => tails.connect(bearer));
  const settled = await Promise.allSettled(opening);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX);
});

it('counts event streams with them, and the refused not at all', async () => {
  const bearer = await tails.server.token({ claims: { sub: 'streams' } });
  const opened = [await stream(bearer), await stream(bearer)];
  for (const one of opened) await one.next('subscribed');
  await expect(tails.connect(bearer)).rejects.toMatchObject({ status: 429 });
  opened[0]?.abort();
  const protocol = 'mqtt';
  for (let i = 0; i < MAX; i += 1) {
    const refused = connectTail({ url: tails.server.url, bearer, protocol });
    await expect(refused).rejects.toMatchObject({ status: 400 });
  }
  await untilOpen(async () => bearer);
});

it('does not count who asks for the head only', async () => {
  const bearer = await tails.server.token({ claims: { sub: 'heads' } });
  const headers = { authorization: `Bearer ${bearer}`, accept: 'text/event-stream' };
  for (let i = 0; i <= MAX; i += 1) {
    const url = `${tails.server.url}/v1/tail?match={}`;
    expect((await fetch(url, { method: 'HEAD', headers })).status).toBe(200);
  }
  await tails.connect(bearer);
});
