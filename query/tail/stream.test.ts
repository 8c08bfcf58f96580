import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import {
  connectTail,
  openStream,
  type StreamClient,
  type TailClient,
} from '../../test/tail-client.ts';

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let nowMs = Date.now();
/** Rows of a series have to differ in time; each test takes its own. */
let nextMs = Date.UTC(2026, 0, 2);

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database, clock: () => nowMs });
  token = await server.token();
  await server.write('rig-1', 'spp', [[nextMs, 0]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function connect(query: string): Promise<TailClient> {
  const client = await connectTail({ url: server.url, query });
  onTestFinished(() => client.socket.terminate());
  return client;
}

async function open(query: string, headers: Record<string, string> = {}): Promise<StreamClient> {
  const client = await openStream(`${server.url}/v1/tail?${query}`, headers);
  onTestFinished(() => client.abort());
  return client;
}

const bearer = () => ({ authorization: `Bearer ${token}` });

/** Writes one value at a time of its own, and says which. */
async function write(value: number) {
  nextMs += 1_000;
  const series = await server.write('rig-1', 'spp', [[nextMs, value]]);
  return [series.id, nextMs, value];
}

describe('a tail as an event stream', () => {
  it('sends the same frames with the cursor as id, and goes on from Last-Event-ID', async () => {
    const first = await open('series=rig-1/spp&start=2026-01-02T00:00:00Z&step=1h', bearer());
    expect(first.response.headers.get('content-type')).toBe('text/event-stream');
    await first.next('subscribed');
    expect((await first.next('snapshot')).range.step_ms).toBe(3_600_000);
    const point = await write(1);
    const data = await first.next('data');
    expect([data.points, data.eventId]).toEqual([[point], data.cursor]);
    first.abort();
    const missed = await write(2);
    const second = await open('series=rig-1/spp', { ...bearer(), 'last-event-id': data.eventId });
    expect((await second.next('subscribed')).recovered).toBe(true);
    expect((await second.next('data')).points).toEqual([missed]);
  });

  it('has no place to go on from before its snapshot: it is asked for again', async () => {
    const query = 'series=rig-1/spp&start=2026-01-02T00:00:00Z&step=1h';
    const first = await open(query, bearer());
    const subscribed = await first.next('subscribed');
    expect([subscribed.eventId, subscribed.recovered]).toEqual([undefined, null]);
    const snapshot = await first.next('snapshot');
    expect(snapshot.eventId).toBe(subscribed.cursor);
    first.abort();
    // Of another log: a browser keeps its last id when an event has none.
    const again = await open(query, { ...bearer(), 'last-event-id': 'gone.1' });
    const lost = await again.next('subscribed');
    expect([lost.eventId, lost.recovered]).toEqual([undefined, false]);
    expect((await again.next('snapshot')).eventId).toBe(lost.cursor);
    again.abort();
    const missed = await write(3);
    const last = await open(query, { ...bearer(), 'last-event-id': snapshot.eventId });
    expect((await last.next('subscribed')).eventId).toBe(snapshot.eventId);
    expect((await last.next('data')).points).toEqual([missed]);
  });

  it.each<[query: string, status: number, code: string]>([
    ['series=rig-1/nothing', 404, 'unknown_series'],
    ['series=rig-1/spp&max_hz=0', 400, 'bad_parameter'],
    ['series=rig-1/spp&start=soon', 400, 'bad_parameter'],
    ['series=rig-1/spp&start=2000-01-01T00:00:00Z&step=1ms', 422, 'too_costly'],
    ['', 400, 'missing_parameter'],
  ])('refuses %s before it opens', async (query, status, code) => {
    const response = await fetch(`${server.url}/v1/tail?${query}`, {
      headers: { accept: 'text/event-stream', ...bearer() },
    });
    expect([response.status, (await readJson(response)).code]).toEqual([status, code]);
  });

  it('opens and reopens by a ticket that is bound to it', async () => {
    const tickets = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers: bearer() });
    const { ticket } = await readJson(tickets);
    const query = `series=rig-1/spp&ticket=${ticket}`;
    const origin = { origin: 'https://charts.example' };
    await (await open(query, origin)).next('subscribed');
    nowMs += 60_000;
    await (await open(query, origin)).next('subscribed');
    expect((await open(query)).response.status).toBe(401);
    expect((await open(`${query}&max_hz=1`, origin)).response.status).toBe(401);
    await expect(connect(`?ticket=${ticket}`)).rejects.toMatchObject({ status: 401 });
  });
});

describe('a stream whose client goes away', () => {
  it('ends with it', async () => {
    const client = await open('series=rig-1/spp', bearer());
    await client.next('subscribed');
    const connections = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return Number(/^tailrace_tail_connections_size (\d+)$/m.exec(text)?.[1]);
    };
    const before = await connections();
    expect(before).toBeGreaterThan(0);
    client.abort();
    await expect.poll(connections).toBeLessThan(before);
  });
});

describe('tickets', () => {
  const order = async () => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers });
    const { ticket, expires_in_s } = await readJson(response);
    expect(expires_in_s).toBe(30);
    return ticket;
  };

  it('open one WebSocket', async () => {
    const query = `?ticket=${await order()}`;
    const client = await connect(query);
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    await expect(connect(query)).rejects.toMatchObject({ status: 401 });
  });

  it('are over after 30 s', async () => {
    const query = `?ticket=${await order()}`;
    nowMs += 30_001;
    await expect(connect(query)).rejects.toMatchObject({ status: 401 });
  });
});
