import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJson } from '../../test/query-server.ts';
import { connectTail, type StreamClient } from '../../test/tail-client.ts';
import { startTailServer, type TailServer } from '../../test/tail-server.ts';

/** Who a token is of unless said otherwise. */
const VIEWER = 'acme/viewer';

let tails: TailServer;
let nextMs = 0;

beforeAll(async () => {
  tails = await startTailServer();
  nextMs = tails.time.nowMs;
});

afterAll(() => tails.stop());

/** Writes one value, and gives its point. */
async function write(value: number) {
  nextMs += 1_000;
  const { id } = await tails.server.write('rig-1', 'spp', [[nextMs, value]]);
  return [id, nextMs, value];
}

describe('a token that ends', () => {
  it('is announced 30 s before, once, and ends the tail 5 s after', async () => {
    const client = await tails.connect(await tails.server.token({ ttlS: 60 }));
    const endsMs = Math.floor(tails.time.nowMs / 1_000) * 1_000 + 60_000;
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    tails.time.nowMs += 29_000;
    const point = await write(1);
    expect((await client.next('data')).points).toEqual([point]);
    tails.time.nowMs = endsMs - 30_000;
    expect(await client.next('warning')).toMatchObject({
      ...{ code: 'token_expiring', expires_at: endsMs, detail: expect.stringContaining('reauth') },
    });
    tails.time.nowMs = endsMs + 4_999;
    const last = await write(2);
    expect((await client.next('data')).points).toEqual([last]);
    tails.time.nowMs += 1;
    await write(3);
    expect((await client.next('bye')).code).toBe(4401);
    expect((await client.closed).code).toBe(4401);
    expect(client.left('warning', 'data')).toEqual([]);
  });

  it('is announced at once where less is left of it', async () => {
    const client = await tails.connect(await tails.server.token({ ttlS: 10 }));
    expect((await client.next('warning')).expires_at).toBeLessThanOrEqual(
      tails.time.nowMs + 10_000,
    );
  });

  it('is announced again after a new one', async () => {
    const client = await tails.connect(await tails.server.token({ ttlS: 10 }));
    await client.next('warning');
    client.send({ type: 'reauth', token: await tails.server.token({ ttlS: 100 }) });
    const { expires_at: endsMs } = await client.next('reauthed');
    tails.time.nowMs = endsMs - 20_000;
    expect((await client.next('warning')).expires_at).toBe(endsMs);
  });
});

describe('reauth', () => {
  const over = async () => {
    const token = await tails.server.token({ ttlS: 1 });
    tails.time.nowMs += 7_000;
    return token;
  };
  const revoked = async () => {
    const token = await tails.server.token({ claims: { jti: 'revoked' } });
    tails.server.revocations.add({
      tenant: 'acme',
      tokenId: 'revoked',
      revokedAtMs: tails.time.nowMs,
    });
    return token;
  };

  it.each<[what: string, token: () => Promise<string>, code: string]>([
    ['no token', async () => '', 'token_invalid'],
    ['one that is over', over, 'token_expired'],
    ['a revoked one', revoked, 'token_revoked'],
    ['one of another tenant', () => tails.server.token({ tenant: 'other' }), 'forbidden'],
    ['one of another subject', () => tails.server.token({ claims: { sub: 'ann' } }), 'forbidden'],
    [
      'one that may not',
      () => tails.server.token({ roles: ['device'], claims: { sub: VIEWER } }),
      'forbidden',
    ],
  ])('with %s is an error, and the old token stands', async (_, token, code) => {
    const client = await tails.connect(await tails.server.token());
    client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
    await client.next('subscribed');
    client.send({ type: 'reauth', token: await token() });
    expect((await client.next('error')).code).toBe(code);
    const point = await write(1);
    expect((await client.next('data')).points).toEqual([point]);
  });

  it('with narrower rights narrows what is sent', async () => {
    const client = await tails.connect(await tails.server.token());
    client.send({ type: 'subscribe', id: 'a', match: '{}' });
    await client.next('subscribed');
    client.send({
      type: 'reauth',
      token: await tails.server.token({ claims: { assets: ['rig-9'] } }),
    });
    await client.next('reauthed');
    expect((await client.next('series')).removed).toHaveLength(1);
  });

  it('is refused where it comes too often, and taken again a second later', async () => {
    const client = await tails.connect(await tails.server.token());
    const token = await tails.server.token();
    for (let i = 0; i < 21; i += 1) client.send({ type: 'reauth', token });
    expect(await client.next('error')).toMatchObject({
      ...{ code: 'too_many_requests', retry_after_s: 1 },
    });
    for (let i = 0; i < 20; i += 1) await client.next('reauthed');
    tails.time.nowMs += 1_000;
    client.send({ type: 'reauth', token });
    await client.next('reauthed');
  });
});

describe('an event stream whose token ends', () => {
  const ticketOf = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}` };
    const answer = await fetch(`${tails.server.url}/v1/tickets`, { method: 'POST', headers });
    return (await readJson(answer)).ticket;
  };
  const open = async (ticket: string, lastId?: string): Promise<StreamClient> => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    return tails.stream(`series=rig-1/spp&ticket=${ticket}`, headers);
  };

  it('is warned after subscribed, told bye, and goes on with a fresh ticket from its last event', async () => {
    const ticket = await ticketOf(await tails.server.token({ ttlS: 20 }));
    const first = await open(ticket);
    expect((await first.next()).type).toBe('subscribed');
    expect(await first.next()).toMatchObject({
      ...{ type: 'warning', code: 'token_expiring', detail: expect.stringContaining('anew') },
    });
    await write(1);
    const { eventId } = await first.next('data');
    tails.time.nowMs += 26_000;
    expect((await first.next('bye')).code).toBe(4401);
    const missed = await write(2);
    expect((await open(ticket, eventId)).response.status).toBe(401);
    const second = await open(await ticketOf(await tails.server.token()), eventId);
    expect((await second.next('subscribed')).recovered).toBe(true);
    expect((await second.next('data')).points).toEqual([missed]);
  });

  it('is not opened, nor reopened, by a ticket from before a revocation', async () => {
    const bearer = await tails.server.token({ claims: { sub: 'eve' } });
    const [used, unused, socket] = await Promise.all([1, 2, 3].map(() => ticketOf(bearer)));
    const stream = await open(used ?? '');
    await stream.next('subscribed');
    tails.server.revocations.add({ tenant: 'acme', subject: 'eve', revokedAtMs: tails.time.nowMs });
    expect((await stream.next('bye')).code).toBe(4403);
    for (const ticket of [used, unused]) {
      const { status, headers } = (await open(ticket ?? '')).response;
      expect([status, headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringContaining('token_revoked'),
      ]);
    }
    const query = `?ticket=${socket}`;
    await expect(connectTail({ url: tails.server.url, query })).rejects.toMatchObject({
      status: 401,
    });
  });
});
