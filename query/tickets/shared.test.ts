// Tickets of two servers on one Redis: who is first, what Redis gets to know, and what is left while it is away.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/program.ts';
import { startProxy } from '../../test/proxy.ts';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import {
  openTicketServers,
  type TicketServer,
  type TicketServers,
} from '../../test/ticket-servers.ts';
import { TICKET_TTL_S } from './tickets.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });
const ANSWER_MAX_MS = 2_000;
/** Each of two servers waits once, and a busy machine adds something. */
const SOON_MS = 3 * ANSWER_MAX_MS;

let redis: TestRedis;
let servers: TicketServers;
let one: TicketServer;
let other: TicketServer;
let ann: string;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

beforeEach(async () => {
  await redis.restart();
  servers = await openTicketServers();
  one = await servers.start(redis.url);
  other = await servers.start(redis.url);
  ann = await servers.token('ann', { jti: 'j-of-ann' });
  return servers.stop;
});

async function onAdmin<T>(work: (admin: Redis) => Promise<T>): Promise<T> {
  const admin = new Redis(redis.url);
  try {
    return await work(admin);
  } finally {
    admin.disconnect();
  }
}

/** Waits until a server says that Redis is away (1), or is not (0). */
async function untilAway({ metrics }: TicketServer, is: 0 | 1): Promise<void> {
  const line = `tailrace_tickets_away ${is}\n`;
  await eventually(
    () => metrics.exposition(),
    (text) => text.includes(line),
  );
}

/** Waits until tickets of one server are good at the other. */
async function untilShared(): Promise<void> {
  await eventually(async () => {
    const ticket = await one.issue(ann);
    return other.openSocket(ticket).catch(() => '');
  }, Boolean);
}

it('of all who come with a ticket at once, at both servers, one opens a socket', async () => {
  const winners = new Set<string>();
  const count = async (all: readonly Promise<string>[]) =>
    (await Promise.allSettled(all)).filter(({ status }) => status === 'fulfilled').length;
  for (let round = 0; round < 200; round += 1) {
    const ticket = await one.issue(ann);
    const sockets: Promise<string>[] = [];
    const streams: Promise<string>[] = [];
    for (const [i, server] of [one, other, one, other].entries()) {
      if ((i + round) % 3 === 0) streams.push(server.openStream(ticket, 'x'));
      else sockets.push(server.openSocket(ticket));
    }
    const opened = await Promise.all([count(sockets), count(streams)]);
    // Where a stream was first it opens wherever it is asked for; where a socket was, nothing else does.
    expect([
      [1, 0],
      [0, streams.length],
    ]).toContainEqual(opened);
    winners.add(String(opened));
  }
  expect(winners.size).toBeGreaterThan(1);
});

describe('Redis', () => {
  it('is told neither ticket nor token nor whose they are, and forgets all of it by itself', async () => {
    const [fresh, used, stream] = [
      await one.issue(ann),
      await one.issue(ann),
      await one.issue(ann),
    ];
    await other.openSocket(used);
    await other.openStream(stream, '/v1/tail?series=rig-7');
    const [, payload = ''] = ann.split('.');
    const secrets = [fresh, used, stream, 'rig-7', 'acme', 'viewer', payload.slice(0, 20)];
    await onAdmin(async (admin) => {
      const keys = await admin.keys('*');
      expect(keys.length).toBeGreaterThan(5);
      for (const key of keys) {
        const said = `${key} ${(await admin.dumpBuffer(key))?.toString('latin1')}`;
        for (const secret of secrets) expect(said).not.toContain(secret);
        expect(await admin.pttl(key)).toBeGreaterThan(0);
        expect(await admin.pttl(key)).toBeLessThan(3_700_000);
      }
    });
  });

  it('is not believed: whose ticket it is says the token, which is verified', async () => {
    const bob = await servers.token('bob');
    const [ofAnn, ofBob] = [await one.issue(ann), await one.issue(bob)];
    await onAdmin(async (admin) => {
      const records = await admin.keys('*:ticket:*');
      const sealed = await Promise.all(records.map((key) => admin.hget(key, 'sealed')));
      for (const [i, key] of records.entries()) {
        await admin.hset(key, 'sealed', sealed[records.length - 1 - i] ?? '');
      }
    });
    for (const ticket of [ofAnn, ofBob]) {
      await expect(other.openSocket(ticket)).rejects.toEqual(code('ticket_invalid'));
    }
    const stranger = await servers.start(redis.url, { key: 'another' });
    const ticket = await one.issue(ann);
    await expect(stranger.openSocket(ticket)).rejects.toEqual(code('token_invalid'));
  });

  it.each([
    ['is gone', () => redis.kill(), () => redis.start()],
    ['is silent', async () => redis.signal('SIGSTOP'), async () => redis.signal('SIGCONT')],
  ])('%s: each server goes by what it knows itself, and soon', async (_, leave, comeBack) => {
    one = await servers.start(redis.url, { answerMaxMs: ANSWER_MAX_MS });
    other = await servers.start(redis.url, { answerMaxMs: ANSWER_MAX_MS });
    const [fresh, stream, others] = [
      await one.issue(ann),
      await one.issue(ann),
      await one.issue(ann),
    ];
    await one.openStream(stream, 'x');
    await other.openStream(stream, 'x');
    await leave();
    const sinceMs = performance.now();
    const without = await one.issue(ann);
    await expect(other.openSocket(others)).rejects.toEqual(code('tickets_unavailable'));
    await expect(other.openStream(without, 'x')).rejects.toEqual(code('tickets_unavailable'));
    for (const ticket of [fresh, without]) {
      const both = await Promise.allSettled([one.openSocket(ticket), one.openSocket(ticket)]);
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    }
    for (const server of [one, other]) {
      expect(await server.openStream(stream, 'x')).toBe('ann');
      await expect(server.openStream(stream, 'y')).rejects.toEqual(code('ticket_invalid'));
    }
    expect(performance.now() - sinceMs).toBeLessThan(SOON_MS);
    expect(await one.metrics.exposition()).toContain('tailrace_tickets_away 1\n');
    await comeBack();
    await untilShared();
    expect(await one.metrics.exposition()).toContain('tailrace_tickets_away 0\n');
  });

  it('has lost all: what a server opened itself is shared again, and nothing is good twice there', async () => {
    const [fresh, used, stream] = [
      await one.issue(ann),
      await one.issue(ann),
      await one.issue(ann),
    ];
    await one.openSocket(used);
    await one.openStream(stream, 'x');
    await onAdmin((admin) => admin.flushall());
    await expect(other.openStream(stream, 'x')).rejects.toEqual(code('ticket_invalid'));
    await expect(one.openSocket(used)).rejects.toEqual(code('ticket_invalid'));
    expect(await one.openSocket(fresh)).toBe('ann');
    await expect(one.openSocket(fresh)).rejects.toEqual(code('ticket_invalid'));
    expect(await one.openStream(stream, 'x')).toBe('ann');
    servers.time.nowMs += TICKET_TTL_S * 1_000;
    expect(await other.openStream(stream, 'x')).toBe('ann');
    await expect(other.openStream(stream, 'y')).rejects.toEqual(code('ticket_invalid'));
  });
});

it.each([
  ['is still there', false],
  ['is gone from there by then', true],
])(
  'a stream that was opened where Redis could not be reached is shared later; its unused record %s',
  async (_, isGone) => {
    const proxy = await startProxy(() => ({ path: redis.url }));
    const cut = await servers.start(`redis://127.0.0.1:${proxy.port}`);
    const [stream, twice] = [await cut.issue(ann), await cut.issue(ann)];
    proxy.refuse();
    await untilAway(cut, 1);
    expect(await cut.openStream(stream, 'x')).toBe('ann');
    // Where others reach Redis and its own server does not, both have it as fresh.
    expect(await other.openSocket(twice)).toBe('ann');
    expect(await cut.openSocket(twice)).toBe('ann');
    servers.time.nowMs += TICKET_TTL_S * 1_000;
    if (isGone) await onAdmin(async (admin) => admin.del(await admin.keys('*:ticket:*')));
    proxy.accept();
    await untilAway(cut, 0);
    expect(await cut.openStream(stream, 'x')).toBe('ann');
    expect(await other.openStream(stream, 'x')).toBe('ann');
    await expect(other.openStream(stream, 'y')).rejects.toEqual(code('ticket_invalid'));
    expect(await cut.openStream(stream, 'x')).toBe('ann');
    await proxy.close();
  },
);

it('a revocation counts at a server that gave none of the tickets', async () => {
  const [fresh, stream] = [await one.issue(ann), await one.issue(ann)];
  await other.openStream(stream, 'x');
  other.revocations.add({ tenant: 'acme', tokenId: 'j-of-ann', revokedAtMs: servers.time.nowMs });
  await expect(other.openSocket(fresh)).rejects.toEqual(code('token_revoked'));
  await expect(other.openStream(stream, 'x')).rejects.toEqual(code('token_revoked'));
  expect(await one.openStream(stream, 'x')).toBe('ann');
});

it('what may be a ticket of another server counts as known some hundred times a second', async () => {
  const maybe = 'x'.repeat(32);
  const times = () => Array.from({ length: 300 }, () => other.knows(maybe)).filter(Boolean).length;
  expect(other.knows('x')).toBe(false);
  expect(times()).toBe(200);
  servers.time.nowMs += 100;
  expect(times()).toBe(20);
  const own = await other.issue(ann);
  expect(other.knows(own)).toBe(true);
});
