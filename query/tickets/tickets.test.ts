// What a ticket is good for, wherever it is kept and whichever server is asked.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import {
  openTicketServers,
  type TicketServer,
  type TicketServers,
} from '../../test/ticket-servers.ts';
import { SUBJECT_TICKETS_MAX, TICKET_TTL_S } from './tickets.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });

let redis: TestRedis;
let servers: TicketServers;
/** Gives the tickets, and is asked to open something with them: two servers, or one that is both. */
let giver: TicketServer;
let opener: TicketServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe.each([
  ['of a server that is alone', false, false],
  ['of a server with Redis', true, false],
  ['of another server', true, true],
])('a ticket %s', (_, isShared, isOthers) => {
  beforeEach(async () => {
    if (isShared) await redis.restart();
    servers = await openTicketServers();
    giver = await servers.start(isShared ? redis.url : undefined);
    opener = isOthers ? await servers.start(redis.url) : giver;
    return servers.stop;
  });

  it('is used up by a socket, and opens no stream then', async () => {
    const ticket = await giver.issue(await servers.token('ann'));
    expect(ticket).toMatch(/^[\w-]{32}$/);
    expect(await opener.openSocket(ticket)).toBe('ann');
    for (const server of [opener, giver]) {
      await expect(server.openSocket(ticket)).rejects.toEqual(code('ticket_invalid'));
      await expect(server.openStream(ticket, 'x')).rejects.toEqual(code('ticket_invalid'));
    }
  });

  it('reopens the stream that it opened, and no other, until its token ends', async () => {
    const ticket = await giver.issue(await servers.token('ann'));
    await opener.openStream(ticket, 'x');
    servers.time.nowMs += 3_604_999;
    for (const server of [opener, giver]) {
      expect(await server.openStream(ticket, 'x')).toBe('ann');
      await expect(server.openStream(ticket, 'y')).rejects.toEqual(code('ticket_invalid'));
      await expect(server.openSocket(ticket)).rejects.toEqual(code('ticket_invalid'));
    }
    servers.time.nowMs += 1;
    await expect(opener.openStream(ticket, 'x')).rejects.toEqual(code('ticket_invalid'));
  });

  it.each([
    ['after 30 s', 3_600, TICKET_TTL_S * 1_000],
    ['with its token', 2, 7_000],
  ])('is over %s', async (_when, ttlS, afterMs) => {
    const token = await servers.token('ann', { ttlS });
    const [one, other] = [await giver.issue(token), await giver.issue(token)];
    servers.time.nowMs += afterMs - 1;
    expect(await opener.openSocket(one)).toBe('ann');
    servers.time.nowMs += 1;
    await expect(opener.openSocket(other)).rejects.toEqual(code('ticket_invalid'));
    await expect(opener.openStream(other, 'x')).rejects.toEqual(code('ticket_invalid'));
  });

  it.each([
    ['subject', { subject: 'ann' }],
    ['id', { tokenId: 'j1' }],
  ])('opens nothing once its token is revoked by %s, nor reopens it', async (_by, revoked) => {
    const ann = await servers.token('ann', { jti: 'j1' });
    const bob = await giver.issue(await servers.token('bob'));
    const [fresh, stream] = [await giver.issue(ann), await giver.issue(ann)];
    await opener.openStream(stream, 'x');
    const revokedAtMs = servers.time.nowMs;
    opener.revocations.add({ tenant: 'acme', revokedAtMs, ...revoked });
    await expect(opener.openSocket(fresh)).rejects.toEqual(code('token_revoked'));
    await expect(opener.openStream(stream, 'x')).rejects.toEqual(code('token_revoked'));
    expect(await opener.openSocket(bob)).toBe('bob');
  });

  it('is one of nobody where nobody gave it', async () => {
    for (const ticket of ['', 'x', 'x'.repeat(32), 'x'.repeat(10_000)]) {
      await expect(opener.openSocket(ticket)).rejects.toEqual(code('ticket_invalid'));
      await expect(opener.openStream(ticket, 'x')).rejects.toEqual(code('ticket_invalid'));
    }
  });

  it('of one subject leaves room for those of others, until it is over', async () => {
    const ann = await servers.token('ann');
    const all = Array.from({ length: SUBJECT_TICKETS_MAX }, () => giver.issue(ann));
    await Promise.all(all);
    await expect(giver.issue(ann)).rejects.toEqual(code('too_many_requests'));
    expect(await giver.issue(await servers.token('bob'))).toMatch(/^.{32}$/);
    // Another tenant's ann is somebody else.
    const other = await servers.token('ann', { tenant: 'zenith' });
    expect(await giver.issue(other)).toMatch(/^.{32}$/);
    servers.time.nowMs += TICKET_TTL_S * 1_000;
    expect(await giver.issue(ann)).toMatch(/^.{32}$/);
  });

  it('gives way where its subject has too many that are bound to streams, the one unused for longest first', async () => {
    const ann = await servers.token('ann');
    const ids = [];
    for (let i = 0; i < SUBJECT_TICKETS_MAX; i += 1) ids.push(await giver.issue(ann));
    for (const id of ids) await opener.openStream(id, 'x');
    const [first = '', second = ''] = ids;
    await opener.openStream(first, 'x');
    await giver.issue(ann);
    expect(await opener.openStream(first, 'x')).toBe('ann');
    await expect(opener.openStream(second, 'x')).rejects.toEqual(code('ticket_invalid'));
  });
});

it('a ticket is known while it is live, and not used up by the question', async () => {
  servers = await openTicketServers();
  const server = await servers.start();
  const ann = await servers.token('ann');
  const [fresh, stream] = [await server.issue(ann), await server.issue(ann)];
  await server.openStream(stream, 'x');
  const known = () => [fresh, stream, 'x'.repeat(32)].map(server.knows);
  expect(known()).toEqual([true, true, false]);
  servers.time.nowMs += TICKET_TTL_S * 1_000;
  expect(known()).toEqual([false, true, false]);
  servers.time.nowMs -= TICKET_TTL_S * 1_000;
  expect(await server.openSocket(fresh)).toBe('ann');
  expect(known()).toEqual([false, true, false]);
  const revokedAtMs = servers.time.nowMs;
  server.revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs });
  expect(known()).toEqual([false, false, false]);
  await servers.stop();
});

it.each([
  ['a server that is alone', false, 'tickets', 10_000],
  ['Redis', true, 'shared_tickets', 100],
])(
  'tickets fill %s, which says so and takes others when they are over',
  async (_, isShared, name, max) => {
    await redis.restart();
    servers = await openTicketServers();
    const server = await servers.start(isShared ? redis.url : undefined, { ticketsMax: 100 });
    const subjects = Array.from({ length: 20 }, (__, i) => servers.token(`s${i}`));
    const tokens = await Promise.all(subjects);
    for (let i = 0; i < max; i += 1) await server.issue(tokens[i % 20] ?? '');
    await expect(server.issue(tokens[0] ?? '')).rejects.toEqual(code('overloaded'));
    const text = await server.metrics.exposition();
    expect(text).toContain(`tailrace_${name}_size ${max}\n`);
    expect(text).toContain(`tailrace_${name}_max ${max}\n`);
    servers.time.nowMs += TICKET_TTL_S * 1_000;
    expect(await server.issue(tokens[0] ?? '')).toMatch(/^.{32}$/);
    await servers.stop();
  },
);
