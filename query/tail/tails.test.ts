import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, type Frame, type TailClient } from '../../test/tail-client.ts';

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
  await server.write('rig-1', 'rpm', [[nextMs, 0]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function connect(
  options: { bearer?: string; protocol?: string; url?: string } = {},
): Promise<TailClient> {
  const client = await connectTail({ url: server.url, bearer: token, ...options });
  onTestFinished(() => client.socket.terminate());
  return client;
}

/** Writes one value at a time of its own, and says which. */
async function write(channel: string, value: number, asset = 'rig-1') {
  nextMs += 1_000;
  const series = await server.write(asset, channel, [[nextMs, value]]);
  return [series.id, nextMs, value];
}

describe('a tail over a WebSocket', () => {
  it.each(['tailrace.json', 'tailrace.msgpack'])('follows series by %s', async (protocol) => {
    const client = await connect({ protocol });
    expect(client.socket.protocol).toBe(protocol);
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp', 'rig-1/rpm'] });
    const subscribed = await client.next('subscribed');
    expect(subscribed).toMatchObject({ id: 'a', recovered: null, cursor: expect.any(String) });
    expect(subscribed.series.map((one: Frame) => one.channel)).toEqual(['spp', 'rpm']);
    const point = await write('spp', 1.5);
    expect(await client.next('data')).toEqual({
      ...{ type: 'data', id: 'a', points: [point], dropped: 0, cursor: expect.any(String) },
    });
  });

  it('begins with the snapshot that was asked for, and misses nothing between', async () => {
    const before = await write('spp', 2);
    const client = await connect();
    const snapshot = { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' };
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'], snapshot });
    await client.next('subscribed');
    const frame = await client.next('snapshot');
    const [{ t, v }] = frame.series;
    expect([frame.id, t.at(-1), v.at(-1)]).toEqual(['a', before[1], 2]);
    expect(frame.range.segments).toHaveLength(1);
    const after = await write('spp', 3);
    expect((await client.next('data')).points).toEqual([after]);
  });

  it('goes on from a cursor, and says that it did', async () => {
    const first = await connect();
    first.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await first.next('subscribed');
    await write('spp', 4);
    const { cursor } = await first.next('data');
    first.socket.close();
    const missed = [await write('spp', 5), await write('spp', 6)];
    const second = await connect();
    const snapshot = { start: 'now-1h' };
    const since = cursor;
    second.send({ type: 'subscribe', id: 'b', series: ['rig-1/spp'], since, snapshot });
    expect((await second.next('subscribed')).recovered).toBe(true);
    expect((await second.next('data')).points).toEqual(missed);
  });

  it('says of a raw snapshot that its limit cut off that it is not complete', async () => {
    const client = await connect();
    await write('spp', 1);
    await write('spp', 2);
    const snapshot = { start: '2026-01-01T00:00:00Z', points: 'raw' };
    const complete = async (limit: number) => {
      const id = `limit ${limit}`;
      client.send({
        type: 'subscribe',
        id,
        series: ['rig-1/spp'],
        snapshot: { ...snapshot, limit },
      });
      return (await client.next('snapshot')).range.complete;
    };
    expect(await complete(1)).toBe(false);
    expect(await complete(100_000)).toBe(true);
  });

  it('says that it could not go on, and sends the snapshot again', async () => {
    const client = await connect();
    const snapshot = { start: '2026-01-02T00:00:00Z', step: '1h' };
    for (const since of ['elsewhere.1', 'no cursor at all']) {
      client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'], since, snapshot });
      expect((await client.next('subscribed')).recovered).toBe(false);
      expect((await client.next('snapshot')).range.step_ms).toBe(3_600_000);
    }
  });

  it('takes series in that begin to match', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'm', match: '{asset="rig-new"}' });
    expect((await client.next('subscribed')).series).toEqual([]);
    const point = await write('torque', 7, 'rig-new');
    expect((await client.next('series')).added).toMatchObject([
      { id: point[0], channel: 'torque' },
    ]);
    expect((await client.next('data')).points).toEqual([point]);
  });

  it('says the same of hidden and absent series, and subscribes to the rest', async () => {
    const client = await connect({ bearer: await server.token({ claims: { assets: ['rig-1'] } }) });
    await write('spp', 1, 'rig-hidden');
    const series = ['rig-hidden/spp', 'rig-1/nothing', 'rig-1/spp'];
    client.send({ type: 'subscribe', id: 'a', series });
    const errors = [await client.next('error'), await client.next('error')];
    expect(errors.map((frame) => [frame.id, frame.code])).toEqual([
      ['a', 'unknown_series'],
      ['a', 'unknown_series'],
    ]);
    expect((await client.next('subscribed')).series).toHaveLength(1);
    client.send({ type: 'subscribe', id: 'b', series: ['rig-hidden/spp'] });
    expect(await client.next('error')).toMatchObject({ id: 'b', code: 'unknown_series' });
    await write('spp', 8, 'rig-hidden');
    const point = await write('spp', 9);
    expect((await client.next('data')).points).toEqual([point]);
  });

  it('ends a subscription on request', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    client.send({ type: 'subscribe', id: 'b', series: ['rig-1/rpm'] });
    await client.next('subscribed');
    await client.next('subscribed');
    client.send({ type: 'unsubscribe', id: 'a' });
    client.send({ type: 'subscribe', id: 'c', series: ['rig-1/rpm'] });
    await client.next('subscribed');
    await write('spp', 1);
    await write('rpm', 2);
    const frames = [await client.next('data'), await client.next('data')];
    expect(frames.map((frame) => frame.id)).toEqual(['b', 'c']);
  });

  it.each<[what: string, frame: string | Buffer, code: string]>([
    ['what is not JSON', 'hello', 'bad_frame'],
    ['a list', '[]', 'bad_frame'],
    ['a frame without type', '{}', 'bad_frame'],
    ['a subscription without id', '{"type":"subscribe","series":["a/b"]}', 'bad_frame'],
    ['a subscription to nothing', '{"type":"subscribe","id":"a"}', 'missing_parameter'],
    ['a bad selector', '{"type":"subscribe","id":"a","match":"{"}', 'bad_parameter'],
    ['an impossible pace', '{"type":"subscribe","id":"a","match":"{}","max_hz":-1}', 'bad_frame'],
    [
      'a snapshot that is no range',
      '{"type":"subscribe","id":"a","match":"{}","snapshot":{"start":"soon"}}',
      'bad_parameter',
    ],
    ['a wrong token', '{"type":"reauth","token":"x"}', 'token_invalid'],
    ['more than 64 KB', `{"x":"${'x'.repeat(70_000)}"}`, 'frame_too_large'],
    ['much more than 64 KB', `{"x":"${'x'.repeat(2_000_000)}"}`, 'frame_too_large'],
  ])('answers %s with an error and lives on', async (_, frame, code) => {
    const client = await connect();
    client.socket.send(frame);
    expect((await client.next('error')).code).toBe(code);
    client.send({ type: 'subscribe', id: 'z', series: ['rig-1/spp'] });
    await client.next('subscribed');
  });

  it('takes a hundred subscriptions and no more', async () => {
    const client = await connect();
    for (let i = 0; i <= 100; i += 1) {
      client.send({ type: 'subscribe', id: `s${i}`, series: ['rig-1/spp'] });
    }
    expect(await client.next('error')).toMatchObject({
      ...{ id: 's100', code: 'too_many_subscriptions' },
    });
  });

  it('sends no more often than asked, the newest points, and says how many it left out', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'], max_hz: 2 });
    await client.next('subscribed');
    const first = await write('spp', 1);
    expect((await client.next('data')).points).toEqual([first]);
    await write('spp', 2);
    await write('spp', 3);
    const last = await write('spp', 4);
    nowMs += 500;
    expect(await client.next('data')).toMatchObject({ points: [last], dropped: 2 });
  });

  it('is told bye when its token is over, unless it brings a new one', async () => {
    const short = await server.token({ ttlS: 60 });
    const renewed = await server.token({ ttlS: 120 });
    const [over, kept] = [await connect({ bearer: short }), await connect({ bearer: short })];
    kept.send({ type: 'reauth', token: renewed });
    expect((await kept.next('reauthed')).expires_at).toBeGreaterThan(nowMs + 60_000);
    nowMs += 64_000;
    kept.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await kept.next('subscribed');
    nowMs += 2_000;
    expect((await over.next('bye')).code).toBe(4401);
    expect((await over.closed).code).toBe(4401);
    nowMs += 60_000;
    expect((await kept.closed).code).toBe(4401);
    token = await server.token();
  });

  it('does not take the token of another', async () => {
    const client = await connect();
    client.send({ type: 'reauth', token: await server.token({ tenant: 'other' }) });
    expect((await client.next('error')).code).toBe('forbidden');
  });

  it('is refused without a token, with one that may not, and by an unknown subprotocol', async () => {
    await expect(connect({ bearer: 'x' })).rejects.toMatchObject({ status: 401 });
    const device = await server.token({ roles: ['device'] });
    await expect(connect({ bearer: device })).rejects.toMatchObject({ status: 403 });
    await expect(connect({ protocol: 'mqtt' })).rejects.toMatchObject({ status: 400 });
  });

  it('is told to begin again where the feed has a gap', async () => {
    const client = await connect();
    const snapshot = { start: '2026-01-02T00:00:00Z', step: '1h' };
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'], snapshot });
    await client.next('subscribed');
    await client.next('snapshot');
    await server.feed.append({ kind: 'gap' });
    expect((await client.next('subscribed')).recovered).toBe(false);
    await client.next('snapshot');
    const point = await write('spp', 1);
    expect((await client.next('data')).points).toEqual([point]);
  });

  it('ends when its token is revoked, and goes on when another bundle says the same', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    await server.feed.append({ kind: 'bundle', revision: '2' });
    const point = await write('spp', 1);
    expect((await client.next('data')).points).toEqual([point]);
    const revocation = { tenant: 'acme', revokedAtMs: nowMs };
    server.revocations.add({ ...revocation, subject: 'somebody/else' });
    const other = await write('spp', 2);
    expect((await client.next('data')).points).toEqual([other]);
    server.revocations.add({ ...revocation, subject: 'acme/viewer' });
    expect((await client.next('bye')).code).toBe(4403);
    expect((await client.closed).code).toBe(4403);
    await expect(connect()).rejects.toMatchObject({ status: 401 });
    // Tokens that are issued in a later second are others.
    nowMs += 1_000;
    token = await server.token();
  });

  it('counts what it delivers', async () => {
    const response = await fetch(`${server.url}/metrics`);
    const text = await response.text();
    expect(text).toMatch(/tailrace_tail_delivered_total [1-9]/);
    expect(text).toMatch(/tailrace_tail_dropped_total 2/);
    expect(text).toContain('tailrace_tail_lag_seconds_count');
    expect(text).toContain('tailrace_tail_subscribers');
  });
});

describe('a reader that does not read', () => {
  const rows = 20_000;
  const records = 60;

  /** A client that does not read, and what it does not read. */
  async function stall() {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    client.socket.pause();
    const { id } = await server.write('rig-1', 'spp', [[nextMs, 0]]);
    const at = nextMs * 1_000;
    for (let record = 0; record < records; record += 1) {
      // Of the feed only: what is looked at is the tail, not the table.
      await server.feed.append({
        kind: 'readings',
        seriesIds: new Int32Array(rows).fill(id),
        timesUs: Float64Array.from({ length: rows }, (_, i) => at + (record * rows + i) * 1_000),
        values: Float64Array.from({ length: rows }, (_, i) => i),
        qualities: new Int16Array(rows),
      });
    }
    return { client, id };
  }

  it('gets the newest of what it missed, when that was no more than a moment', async () => {
    const { client, id } = await stall();
    client.socket.resume();
    let frame = await client.next();
    while (frame.dropped === 0) frame = await client.next();
    expect(frame.type).toBe('data');
    expect(frame.dropped).toBeGreaterThan(rows);
    const newest = frame.points.map(([series, , value]: number[]) => [series, value]);
    expect(newest).toEqual([[id, rows - 1]]);
  });

  it('gets summaries of what it missed instead of every point', async () => {
    const { client, id } = await stall();
    nowMs += 2_000;
    client.socket.resume();
    const summary = await client.next('summary');
    expect(summary.dropped).toBeGreaterThan(rows);
    const [seriesId, , , , min, max] = summary.buckets[0];
    expect([seriesId, min >= 0, max < rows]).toEqual([id, true, true]);
    const counted = summary.buckets.reduce(
      (sum: number, bucket: number[]) => sum + (bucket[6] ?? 0),
      0,
    );
    expect(counted).toBe(summary.dropped);
  });
});

describe('a reader that takes nothing for long', () => {
  it('is told that it is too slow, and closed', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/rpm'] });
    const { series } = await client.next('subscribed');
    client.socket.pause();
    const gauge = async (name: string) => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
    };
    const before = await gauge('tailrace_tail_connections_size');
    // Texts fill the socket with few points.
    for (let record = 0; record < 60; record += 1) {
      await server.feed.append({
        kind: 'readings',
        seriesIds: [series[0].id],
        timesUs: [record],
        values: ['x'.repeat(200_000)],
        qualities: [0],
      });
    }
    await expect
      .poll(async () => {
        nowMs += 21_000;
        return gauge('tailrace_tail_connections_size');
      })
      .toBe(before - 1);
    client.socket.resume();
    expect((await client.next('bye')).code).toBe(4408);
    expect((await client.closed).code).toBe(4408);
    token = await server.token();
  });
});

describe('a server that stops', () => {
  it('tells every tail bye and closes with 1012', async () => {
    const other = await openTestDatabase();
    const stopping = await startTestQueryServer({ database: other.database });
    const bearer = await stopping.token();
    await stopping.write('rig-1', 'spp', [[nextMs, 1]]);
    const client = await connect({ url: stopping.url, bearer });
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    await Promise.all([stopping.stop(), stopping.stop()]);
    expect((await client.next('bye')).code).toBe(1012);
    expect((await client.closed).code).toBe(1012);
    await expect(fetch(`${stopping.url}/healthz`)).rejects.toThrow();
    await other.dispose();
  });
});
