import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';
import {
  connectTail,
  openStream,
  type StreamClient,
  type TailClient,
} from '../../test/tail-client.ts';

/** Who a token is of unless said otherwise. */
const VIEWER = 'acme/viewer';

let database: TestDatabase;
let server: TestQueryServer;
let nowMs = Date.UTC(2026, 0, 2, 12);
let nextMs = nowMs;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database, clock: () => nowMs });
  await server.write('rig-1', 'spp', [[nextMs, 0]]);
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

/** Writes one value, and gives its point. */
async function write(value: number) {
  nextMs += 1_000;
  const { id } = await server.write('rig-1', 'spp', [[nextMs, value]]);
  return [id, nextMs, value];
}

describe('a token that ends', () => {
  it('is announced 30 s before, once, and ends the tail 5 s after', async () => {
    const client = await connect(await server.token({ ttlS: 60 }));
    const endsMs = Math.floor(nowMs / 1_000) * 1_000 + 60_000;
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    nowMs += 29_000;
    const point = await write(1);
    expect((await client.next('data')).points).toEqual([point]);
    nowMs = endsMs - 30_000;
    expect(await client.next('warning')).toMatchObject({
      ...{ code: 'token_expiring', expires_at: endsMs, detail: expect.stringContaining('reauth') },
    });
    nowMs = endsMs + 4_999;
    const last = await write(2);
    expect((await client.next('data')).points).toEqual([last]);
    nowMs += 1;
    await write(3);
    expect((await client.next('bye')).code).toBe(4401);
    expect((await client.closed).code).toBe(4401);
    expect(client.left('warning', 'data')).toEqual([]);
  });

  it('is announced at once where less is left of it', async () => {
    const client = await connect(await server.token({ ttlS: 10 }));
    expect((await client.next('warning')).expires_at).toBeLessThanOrEqual(nowMs + 10_000);
  });

  it('is announced again after a new one', async () => {
    const client = await connect(await server.token({ ttlS: 10 }));
    await client.next('warning');
    client.send({ type: 'reauth', token: await server.token({ ttlS: 100 }) });
    const { expires_at: endsMs } = await client.next('reauthed');
    nowMs = endsMs - 20_000;
    expect((await client.next('warning')).expires_at).toBe(endsMs);
  });
});

describe('reauth', () => {
  const over = async () => {
    const token = await server.token({ ttlS: 1 });
    nowMs += 7_000;
    return token;
  };
  const revoked = async () => {
    const token = await server.token({ claims: { jti: 'revoked' } });
    server.revocations.add({ tenant: 'acme', tokenId: 'revoked', revokedAtMs: nowMs });
    return token;
  };

  it.each<[what: string, token: () => Promise<string>, code: string]>([
    ['no token', async () => '', 'token_invalid'],
    ['one that is over', over, 'token_expired'],
    ['a revoked one', revoked, 'token_revoked'],
    ['one of another tenant', () => server.token({ tenant: 'other' }), 'forbidden'],
    ['one of another subject', () => server.token({ claims: { sub: 'ann' } }), 'forbidden'],
    [
      'one that may not',
      () => server.token({ roles: ['device'], claims: { sub: VIEWER } }),
      'forbidden',
    ],
  ])('with %s is an error, and the old token stands', async (_, token, code) => {
    const client = await connect(await server.token());
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    client.send({ type: 'reauth', token: await token() });
    expect((await client.next('error')).code).toBe(code);
    const point = await write(1);
    expect((await client.next('data')).points).toEqual([point]);
  });

  it('with narrower rights narrows what is sent', async () => {
    const client = await connect(await server.token());
    client.send({ type: 'subscribe', id: 'a', match: '{}' });
    await client.next('subscribed');
    client.send({ type: 'reauth', token: await server.token({ claims: { assets: ['rig-9'] } }) });
    await client.next('reauthed');
    expect((await client.next('series')).removed).toHaveLength(1);
  });

  it('is refused where it comes too often, and taken again a second later', async () => {
    const client = await connect(await server.token());
    const token = await server.token();
    for (let i = 0; i < 21; i += 1) client.send({ type: 'reauth', token });
    expect(await client.next('error')).toMatchObject({
      ...{ code: 'too_many_requests', retry_after_s: 1 },
    });
    for (let i = 0; i < 20; i += 1) await client.next('reauthed');
    nowMs += 1_000;
    client.send({ type: 'reauth', token });
    await client.next('reauthed');
  });
});

describe('an event stream whose token ends', () => {
  const ticketOf = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}` };
    const answer = await fetch(`${server.url}/v1/tickets`, { method: 'POST', headers });
    return (await readJson(answer)).ticket;
  };
  const open = async (ticket: string, lastId?: string): Promise<StreamClient> => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    const url = `${server.url}/v1/tail?series=rig-1/spp&ticket=${ticket}`;
    const stream = await openStream(url, headers);
    onTestFinished(() => stream.abort());
    return stream;
  };

  it('is warned after subscribed, told bye, and goes on with a fresh ticket from its last event', async () => {
    const ticket = await ticketOf(await server.token({ ttlS: 20 }));
    const first = await open(ticket);
    expect((await first.next()).type).toBe('subscribed');
    expect(await first.next()).toMatchObject({
      ...{ type: 'warning', code: 'token_expiring', detail: expect.stringContaining('anew') },
    });
    await write(1);
    const { eventId } = await first.next('data');
    nowMs += 26_000;
    expect((await first.next('bye')).code).toBe(4401);
    const missed = await write(2);
    expect((await open(ticket, eventId)).response.status).toBe(401);
    const second = await open(await ticketOf(await server.token()), eventId);
    expect((await second.next('subscribed')).recovered).toBe(true);
    expect((await second.next('data')).points).toEqual([missed]);
  });

  it('is not opened, nor reopened, by a ticket from before a revocation', async () => {
    const bearer = await server.token({ claims: { sub: 'eve' } });
    const [used, unused, socket] = await Promise.all([1, 2, 3].map(() => ticketOf(bearer)));
    const stream = await open(used ?? '');
    await stream.next('subscribed');
    server.revocations.add({ tenant: 'acme', subject: 'eve', revokedAtMs: nowMs });
    expect((await stream.next('bye')).code).toBe(4403);
    for (const ticket of [used, unused]) {
      const { status, headers } = (await open(ticket ?? '')).response;
      expect([status, headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringContaining('token_revoked'),
      ]);
    }
    const query = `?ticket=${socket}`;
    await expect(connectTail({ url: server.url, query })).rejects.toMatchObject({ status: 401 });
  });
});
