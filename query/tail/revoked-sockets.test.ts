// A revocation as those see it who are revoked: real sockets, while points keep coming.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, type TailClient } from '../../test/tail-client.ts';

const SOCKETS = 500;
const OPENED_AT_ONCE = 25;
const FEED_EVERY_MS = 20;

let database: TestDatabase;
let server: TestQueryServer;
const clients: TailClient[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
});

afterAll(async () => {
  for (const { socket } of clients) socket.terminate();
  await server.stop();
  await database.dispose();
});

/** Opens a tail of one of two subjects, and notes when its last point came. */
async function follow(bearer: string): Promise<{ lastMs: number; client: TailClient }> {
  const client = await connectTail({ url: server.url, bearer });
  clients.push(client);
  const seen = { lastMs: 0, client };
  client.socket.on('message', (data: Buffer) => {
    if (data.includes('"type":"data"')) seen.lastMs = performance.now();
  });
  client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
  await client.next('subscribed');
  return seen;
}

it('ends the tails of a subject within a second of its revocation, and no others', async () => {
  const { id } = await server.write('rig-1', 'spp', [[0, 0]]);
  const [eve, ann] = await Promise.all(
    ['eve', 'ann'].map((sub) => server.token({ claims: { sub } })),
  );
  const [ofEve, ofAnn] = [[await follow(eve ?? '')], [await follow(ann ?? '')]];
  while (ofEve.length < SOCKETS - 1) {
    const opening = Array.from({ length: OPENED_AT_ONCE }, () => follow(eve ?? ''));
    ofEve.push(...(await Promise.all(opening)));
  }
  let isOn = true;
  const feeding = (async () => {
    for (let value = 1; isOn; value += 1) {
      const point = { seriesIds: [id], timesUs: [value], values: [value], qualities: [0] };
      await server.feed.append({ kind: 'readings', ...point });
      await delay(FEED_EVERY_MS);
    }
  })();
  await expect.poll(() => ofEve.every(({ lastMs }) => lastMs > 0)).toBe(true);
  const revokedMs = performance.now();
  server.revocations.add({ tenant: 'acme', subject: 'eve', revokedAtMs: Date.now() });
  const ends = await Promise.all(ofEve.map(({ client }) => client.closed));
  expect(ends.every(({ code }) => code === 4403)).toBe(true);
  const lastMs = Math.max(...ofEve.map((seen) => seen.lastMs));
  expect(lastMs - revokedMs).toBeLessThan(1_000);
  const [kept] = ofAnn;
  await expect.poll(() => kept?.lastMs).toBeGreaterThan(lastMs);
  isOn = false;
  await feeding;
});
