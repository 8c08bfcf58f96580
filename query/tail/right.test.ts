import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { DecisionInput, Policy } from '../../policies/decide/decision.ts';
import type { Grant, Obligations } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { type ChangingPolicy, changingPolicy } from '../../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import { connectTail, type Frame, openStream, type TailClient } from '../../test/tail-client.ts';

const MINUTE = 60_000;

let database: TestDatabase;
let server: TestQueryServer;
let rules: ChangingPolicy;
let nowMs = Date.UTC(2026, 0, 2, 12);
let [spp, rpm]: Series[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  const policy = (shipped: Policy) => {
    rules = changingPolicy(shipped);
    return rules.policy;
  };
  server = await startTestQueryServer({ database: database.database, clock: () => nowMs, policy });
  spp = await server.write('rig-1', 'spp', [[nowMs - MINUTE, 0]], { labels: { site: 'north' } });
  rpm = await server.write('rig-2', 'rpm', [[nowMs - MINUTE, 0]], { labels: { site: 'south' } });
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

beforeEach(() => rules.put((grant) => grant));

const only = (asset: string) => (grant: Grant) => ({
  ...grant,
  selectors: [[{ label: 'asset', op: '=' as const, value: asset }]],
});
const under = (obligations: Obligations) => (grant: Grant) => ({ ...grant, obligations });
const denied = (reason: string) => (grant: Grant) => ({
  ...grant,
  ...{ allow: false, reason, selectors: [], obligations: {} },
});

async function connect(): Promise<TailClient> {
  const client = await connectTail({ url: server.url, bearer: await server.token() });
  onTestFinished(() => client.socket.terminate());
  return client;
}

async function follow(more: Frame = { match: '{}' }): Promise<TailClient> {
  const client = await connect();
  client.send({ type: 'subscribe', id: 'a', ...more });
  await client.next('subscribed');
  return client;
}

/** Feeds both series one value each, at the present; gives the points as frames have them. */
async function feedBoth(value: number) {
  nowMs += 1_000;
  const points = [spp, rpm].map((series): [number, number, number] => [
    series?.id ?? 0,
    nowMs,
    value,
  ]);
  await server.feed.append({
    kind: 'readings',
    seriesIds: points.map(([id]) => id),
    timesUs: points.map(([, t]) => t * 1_000),
    values: points.map(([, , v]) => v),
    qualities: [0, 0],
  });
  return points;
}

describe('a tail under rules that become narrower', () => {
  it('is sent nothing more of what is hidden, not even what was on its way when they changed', async () => {
    const client = await follow({ match: '{}', max_hz: 1 });
    await feedBoth(1);
    expect((await client.next('data')).points).toHaveLength(2);
    // Waits for its time, with a count of what it replaced.
    nowMs -= 1_000;
    await feedBoth(2);
    nowMs -= 1_000;
    await feedBoth(3);
    nowMs -= 900;
    rules.put(only('rig-1'));
    const [kept] = await feedBoth(4);
    expect(await client.next('series')).toMatchObject({ added: [], removed: [rpm?.id] });
    nowMs += 1_000;
    expect(await client.next('data')).toMatchObject({ points: [kept], dropped: 2 });
    const [next] = await feedBoth(5);
    expect((await client.next('data')).points).toEqual([next]);
  });

  it('is closed with the reason where it is denied, however long that is', async () => {
    const client = await follow();
    const reason = `not any more: ${'ä'.repeat(100)}`;
    rules.put(denied(reason));
    expect(await client.next('bye')).toMatchObject({ code: 4403, detail: reason });
    const { code, reason: short } = await client.closed;
    expect([code, short.length > 50, reason.startsWith(short)]).toEqual([4403, true, true]);
  });

  it('is closed within a minute where only the time has changed the answer', async () => {
    const endsMs = nowMs + 90_000;
    const shift = (grant: Grant, input: DecisionInput) =>
      input.nowMs < endsMs ? grant : denied('the shift is over')(grant);
    rules.put(shift);
    const client = await follow();
    await feedBoth(1);
    await client.next('data');
    nowMs = endsMs + MINUTE;
    await feedBoth(2);
    expect(await client.next('bye')).toMatchObject({ code: 4403, detail: 'the shift is over' });
  });
});

describe('a tail under rules that become wider', () => {
  it('is told of the series that it may see now, and sent their points from then on', async () => {
    rules.put(only('rig-1'));
    const client = await follow();
    await feedBoth(1);
    expect((await client.next('data')).points).toHaveLength(1);
    rules.put((grant) => grant);
    const { added, removed } = await client.next('series');
    expect([added.map((one: Frame) => one.id), removed]).toEqual([[rpm?.id], undefined]);
    const points = await feedBoth(2);
    expect((await client.next('data')).points).toEqual(points);
  });

  it('gets back a series that it had named', async () => {
    const client = await follow({ series: ['rig-1/spp', 'rig-2/rpm'] });
    rules.put(only('rig-1'));
    expect((await client.next('series')).removed).toEqual([rpm?.id]);
    rules.put((grant) => grant);
    expect((await client.next('series')).added).toMatchObject([{ id: rpm?.id }]);
  });
});

describe('an obligation that appears', () => {
  it('delays from the next frame on', async () => {
    const client = await follow();
    await feedBoth(1);
    await client.next('data');
    rules.put(under({ delay_ms: MINUTE }));
    await server.write('rig-1', 'late', [[nowMs + 500, 7]]);
    expect((await client.next('subscribed')).recovered).toBe(false);
    const written = nowMs + 500;
    await feedBoth(2);
    nowMs += MINUTE + 2_000;
    const { points } = await client.next('data');
    expect(points.map(([, t, v]: number[]) => [t, v])).toEqual([[written, 7]]);
  });

  it('slows down, and loses nothing that waited', async () => {
    const client = await follow();
    const first = await feedBoth(1);
    expect((await client.next('data')).points).toEqual(first);
    rules.put(under({ max_rate_hz: 1 }));
    const second = await feedBoth(2);
    expect((await client.next('subscribed')).recovered).toBe(true);
    expect((await client.next('data')).points).toEqual(second);
    nowMs -= 1_000;
    await feedBoth(3);
    nowMs -= 1_000;
    const last = await feedBoth(4);
    nowMs += 1_000;
    expect(await client.next('data')).toMatchObject({ points: last, dropped: 2 });
  });

  it('redacts labels in whatever is said of series from then on', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 'a', match: '{asset="rig-1"}' });
    const site = (frame: Frame) =>
      (frame.series ?? frame.added).find((one: Frame) => one.id === spp?.id).labels.site;
    expect(site(await client.next('subscribed'))).toBe('north');
    rules.put(under({ redact: ['site'] }));
    client.send({ type: 'subscribe', id: 'b', match: '{asset="rig-1"}' });
    expect(site(await client.next('subscribed'))).toBeUndefined();
  });

  it('takes series away that were found by what is redacted now', async () => {
    const client = await follow({ match: '{site="south"}' });
    rules.put(under({ redact: ['site'] }));
    expect((await client.next('series')).removed).toEqual([rpm?.id]);
  });

  it('bounds the series of a subscription', async () => {
    const client = await follow();
    rules.put(under({ max_series: 1 }));
    expect(await client.next('error')).toMatchObject({ id: 'a', code: 'forbidden', max_series: 1 });
    client.send({ type: 'subscribe', id: 'b', series: ['rig-1/spp'] });
    await client.next('subscribed');
  });
});

describe('a ticket', () => {
  it('opens nothing for whom tails are denied by then', async () => {
    const headers = { authorization: `Bearer ${await server.token()}` };
    const ticketOf = async () => {
      const answer = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers });
      return (await readJson(answer)).ticket;
    };
    const [socket, stream] = [await ticketOf(), await ticketOf()];
    rules.put(denied('not any more'));
    const query = `?ticket=${socket}`;
    await expect(connectTail({ url: server.url, query })).rejects.toMatchObject({ status: 403 });
    const opened = await openStream(`${server.url}/v1/tail?match={}&ticket=${stream}`);
    expect(opened.response.status).toBe(403);
  });
});

describe('an event stream', () => {
  const open = async () => {
    const headers = { authorization: `Bearer ${await server.token()}` };
    const stream = await openStream(`${server.url}/v1/tail?match={}`, headers);
    onTestFinished(() => stream.abort());
    return stream;
  };

  it('is narrowed, and ended, as a WebSocket is', async () => {
    const stream = await open();
    await stream.next('subscribed');
    rules.put(only('rig-2'));
    expect((await stream.next('series')).removed).toContain(spp?.id);
    const [, kept] = await feedBoth(1);
    expect((await stream.next('data')).points).toEqual([kept]);
    rules.put(denied('no'));
    expect((await stream.next('bye')).code).toBe(4403);
    expect((await open()).response.status).toBe(403);
  });
});
