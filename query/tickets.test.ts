import { describe, expect, it } from 'vitest';
import { createMetrics } from '../lib/metrics.ts';
import type { Claims } from '../policies/grant.ts';
import { createRevocations } from '../policies/tokens/revocations.ts';
import { createTickets, SUBJECT_TICKETS_MAX, TICKET_TTL_S } from './tickets.ts';

const NOW = Date.UTC(2026, 0, 2);
const NOW_S = NOW / 1_000;

function claimsOf(sub: string, more: Partial<Claims> = {}): Claims {
  return { sub, tenant: 'acme', roles: ['viewer'], iat: NOW_S - 1, exp: NOW_S + 3_600, ...more };
}

function open() {
  const metrics = createMetrics();
  const revocations = createRevocations();
  return { metrics, revocations, tickets: createTickets({ metrics, toleranceS: 5, revocations }) };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('a ticket', () => {
  it('is used up by a socket, and opens no stream then', () => {
    const { tickets } = open();
    const ann = claimsOf('ann');
    const ticket = tickets.issue(ann, NOW);
    expect(tickets.redeemForSocket(ticket, NOW)).toBe(ann);
    expect(() => tickets.redeemForSocket(ticket, NOW)).toThrow(code('ticket_invalid'));
    expect(() => tickets.redeemForStream(ticket, 'x', NOW)).toThrow(code('ticket_invalid'));
  });

  it('reopens the stream that it opened, and no other, until its token ends', () => {
    const { tickets } = open();
    const ticket = tickets.issue(claimsOf('ann'), NOW);
    tickets.redeemForStream(ticket, 'x', NOW);
    const last = NOW + 3_604_999;
    expect(tickets.redeemForStream(ticket, 'x', last).sub).toBe('ann');
    expect(() => tickets.redeemForStream(ticket, 'y', NOW)).toThrow(code('ticket_invalid'));
    expect(() => tickets.redeemForSocket(ticket, NOW)).toThrow(code('ticket_invalid'));
    expect(() => tickets.redeemForStream(ticket, 'x', last + 1)).toThrow(code('ticket_invalid'));
  });

  it.each([
    ['after 30 s', {}, TICKET_TTL_S * 1_000],
    ['with its token', { exp: NOW_S + 2 }, 7_000],
  ])('is over %s', (_, more, afterMs) => {
    const { tickets } = open();
    const [one, other] = [0, 0].map(() => tickets.issue(claimsOf('ann', more), NOW));
    expect(tickets.redeemForSocket(one ?? '', NOW + afterMs - 1).sub).toBe('ann');
    expect(() => tickets.redeemForSocket(other ?? '', NOW + afterMs)).toThrow(
      code('ticket_invalid'),
    );
  });

  it.each([
    ['subject', { subject: 'ann' }],
    ['id', { tokenId: 'j1' }],
  ])('opens nothing once its token is revoked by %s, nor reopens it', (_, revoked) => {
    const { tickets, revocations } = open();
    const ann = claimsOf('ann', { jti: 'j1' });
    const bob = tickets.issue(claimsOf('bob'), NOW);
    const [fresh, stream] = [tickets.issue(ann, NOW), tickets.issue(ann, NOW)];
    tickets.redeemForStream(stream, 'x', NOW);
    revocations.add({ tenant: 'acme', revokedAtMs: NOW, ...revoked });
    expect(() => tickets.redeemForSocket(fresh, NOW)).toThrow(code('token_revoked'));
    expect(() => tickets.redeemForStream(stream, 'x', NOW)).toThrow(code('token_revoked'));
    expect(tickets.redeemForSocket(bob, NOW).sub).toBe('bob');
  });
});

it('a ticket is known while it is live, and not used up by the question', () => {
  const { tickets, revocations } = open();
  const ann = claimsOf('ann');
  const [fresh, stream] = [tickets.issue(ann, NOW), tickets.issue(ann, NOW)];
  tickets.redeemForStream(stream, 'x', NOW);
  const known = (nowMs: number) => [fresh, stream, 'x'].map((id) => tickets.knows(id, nowMs));
  expect(known(NOW)).toEqual([true, true, false]);
  expect(known(NOW + TICKET_TTL_S * 1_000)).toEqual([false, true, false]);
  expect(tickets.redeemForSocket(fresh, NOW)).toBe(ann);
  expect(known(NOW)).toEqual([false, true, false]);
  revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs: NOW });
  expect(known(NOW)).toEqual([false, false, false]);
});

describe('many tickets', () => {
  it('of one subject leave room for others, until they are over', () => {
    const { tickets } = open();
    const ann = claimsOf('ann');
    for (let i = 0; i < SUBJECT_TICKETS_MAX; i += 1) tickets.issue(ann, NOW);
    expect(() => tickets.issue(ann, NOW)).toThrow(code('too_many_requests'));
    expect(tickets.issue(claimsOf('bob'), NOW)).toMatch(/^.{32}$/);
    // Another tenant's ann is somebody else.
    expect(tickets.issue(claimsOf('ann', { tenant: 'zenith' }), NOW)).toMatch(/^.{32}$/);
    expect(tickets.issue(ann, NOW + TICKET_TTL_S * 1_000)).toMatch(/^.{32}$/);
  });

  it('of one subject that are bound to streams give way, the one unused for longest first', () => {
    const { tickets } = open();
    const ann = claimsOf('ann');
    const ids = Array.from({ length: SUBJECT_TICKETS_MAX }, () => tickets.issue(ann, NOW));
    for (const id of ids) tickets.redeemForStream(id, 'x', NOW);
    const [first = '', second = ''] = ids;
    tickets.redeemForStream(first, 'x', NOW);
    tickets.issue(ann, NOW);
    expect(tickets.redeemForStream(first, 'x', NOW).sub).toBe('ann');
    expect(() => tickets.redeemForStream(second, 'x', NOW)).toThrow(code('ticket_invalid'));
  });

  it('fill the store, which says so and takes others when they are over', async () => {
    const { tickets, metrics } = open();
    const issueAll = () => {
      for (let i = 0; i <= 10_000; i += 1) tickets.issue(claimsOf(`s${i % 100}`), NOW);
    };
    expect(issueAll).toThrow(code('overloaded'));
    const text = await metrics.exposition();
    expect(text).toContain('tailrace_tickets_size 10000\n');
    expect(text).toContain('tailrace_tickets_max 10000\n');
    const later = NOW + TICKET_TTL_S * 1_000;
    expect(tickets.issue(claimsOf('new'), later)).toMatch(/^.{32}$/);
  });
});
