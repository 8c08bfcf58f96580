// Many sockets that are sent the same by one publish, on a real engine.
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, type TailClient } from '../../test/tail-client.ts';

const T0_MS = Date.UTC(2026, 0, 2);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  await server.write('rig-1', 'spp', [[T0_MS - 1, 0]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function connect(): Promise<TailClient> {
  const client = await connectTail({ url: server.url, bearer: token });
  onTestFinished(() => client.socket.terminate());
  return client;
}

it('sockets of one kind get every point once and in order; one that stalls gets summaries until it has caught up', async () => {
  const clients = [await connect(), await connect(), await connect()];
  for (const client of clients) {
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
  }
  const { id } = await server.write('rig-1', 'spp', [[T0_MS, 0]]);
  for (const client of clients) await client.next('data');
  const [stalled, ...healthy] = clients;
  stalled?.socket.pause();
  let value = 0;
  const feed = (rows: number) =>
    server.feed.append({
      kind: 'readings',
      seriesIds: new Int32Array(rows).fill(id),
      timesUs: new Float64Array(rows).fill(T0_MS * 1_000),
      values: Float64Array.from({ length: rows }, () => ++value),
      qualities: new Int16Array(rows),
    });
  /** Reads until as many points were told of as there are; gives those that came as points. */
  const readAll = async (client: TailClient): Promise<number[]> => {
    const values: number[] = [];
    for (let told = 0; told < value; ) {
      const { points = [], dropped } = await client.next();
      values.push(...points.map((point: number[]) => point[2]));
      told += points.length + dropped;
    }
    return values;
  };
  for (let record = 0; record < 60; record += 1) {
    await feed(5_000);
    // The healthy ones read as it comes.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const all = Array.from({ length: value }, (_, i) => i + 1);
  for (const client of healthy) expect(await readAll(client)).toEqual(all);
  stalled?.socket.resume();
  const late = await readAll(stalled as TailClient);
  expect(late.length).toBeLessThan(value);
  expect(late).toEqual(late.toSorted((a, b) => a - b));
  const before = value;
  await feed(3);
  for (const client of clients) {
    const { points, dropped } = await client.next('data');
    const told = points.map((point: number[]) => point[2]);
    expect([told, dropped]).toEqual([[before + 1, before + 2, before + 3], 0]);
  }

  // All of them go their own ways for the second point: the first one was published in the same turn.
  const last = value;
  const appended = [feed(1)];
  server.revocations.add({ tenant: 'acme', subject: 'nobody', revokedAtMs: Date.now() });
  appended.push(feed(1));
  await Promise.all(appended);
  for (const client of clients) {
    const told: number[] = [];
    while (told.length < 2)
      told.push(...(await client.next('data')).points.map((point: number[]) => point[2]));
    expect(told).toEqual([last + 1, last + 2]);
  }
});
