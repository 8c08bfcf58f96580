// A revocation as those see it who are revoked: real sockets, while points keep coming.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, type TailClient } from '../../test/tail-client.ts';

const OPENINGS = 8;
const OPENED_AT_ONCE = 25;
const FEED_EVERY_MS = 50;
const PATIENCE = { timeout: 20_000 };

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

/** Opens a tail, and notes its newest value. */
async function follow(bearer: string): Promise<{ value: number; client: TailClient }> {
  const client = await connectTail({ url: server.url, bearer });
  clients.push(client);
  const seen = { value: 0, client };
  client.socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString());
    if (frame.type === 'data') seen.value = frame.points.at(-1)[2];
  });
  client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
  await client.next('subscribed');
  return seen;
}

it('ends the tails of a subject with the point before its revocation, and no others', async () => {
  const { id } = await server.write('rig-1', 'spp', [[0, 0]]);
  const tokenOf = (sub: string) => server.token({ claims: { sub } });
  const [eve, ann] = [await tokenOf('eve'), await tokenOf('ann')];
  const ofAnn = await follow(ann);
  const ofEve: { value: number; client: TailClient }[] = [];
  for (let opening = 0; opening < OPENINGS; opening += 1) {
    const opened = Array.from({ length: OPENED_AT_ONCE }, () => follow(eve));
    ofEve.push(...(await Promise.all(opened)));
  }
  let [isOn, value] = [true, 0];
  const feeding = (async () => {
    while (isOn) {
      value += 1;
      const point = { seriesIds: [id], timesUs: [value], values: [value], qualities: [0] };
      await server.feed.append({ kind: 'readings', ...point });
      await delay(FEED_EVERY_MS);
    }
  })();
  await expect.poll(() => ofEve.every((seen) => seen.value > 0), PATIENCE).toBe(true);
  const lastValue = value;
  server.revocations.add({ tenant: 'acme', subject: 'eve', revokedAtMs: Date.now() });
  const ends = await Promise.all(ofEve.map(({ client }) => client.closed));
  expect(ends.every(({ code }) => code === 4403)).toBe(true);
  expect(Math.max(...ofEve.map((seen) => seen.value))).toBeLessThanOrEqual(lastValue);
  await expect.poll(() => ofAnn.value, PATIENCE).toBeGreaterThan(lastValue);
  isOn = false;
  await feeding;
});
