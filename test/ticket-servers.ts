// Tickets of one or several query servers for tests, with real tokens and a clock that a test moves.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { openRedisScripts } from '../lib/redis.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { createTokenVerifier, type TokenProfile } from '../policies/tokens/verifier.ts';
import { createLoneTickets } from '../query/tickets/memory.ts';
import { createSharedTickets } from '../query/tickets/shared.ts';
import type { Tickets } from '../query/tickets/tickets.ts';

const PROFILE: TokenProfile = {
  issuers: ['test'],
  audiences: ['test'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};

/** What one server has of tickets; the present is the test's. */
export interface TicketServer {
  readonly revocations: Revocations;
  readonly metrics: Metrics;
  /** Gives a ticket for a token. */
  issue(token: string): Promise<string>;
  knows(ticket: string): boolean;
  /** Gives back the subject, as the next does. */
  openSocket(ticket: string): Promise<string>;
  openStream(ticket: string, boundTo: string): Promise<string>;
}

export interface TicketServerOptions {
  readonly ticketsMax?: number;
  readonly key?: string;
  /** What it waits for Redis; longer than any machine is busy unless given. */
  readonly answerMaxMs?: number;
}

export interface TicketServers {
  /** All servers', ms since 1970. */
  readonly time: { nowMs: number };
  /** A token of an hour of somebody of acme, unless said otherwise. */
  token(sub: string, more?: { tenant?: string; ttlS?: number; jti?: string }): Promise<string>;
  /** One that shares its tickets by a Redis, or is alone. Of another `key` it takes none of the others' tokens. */
  start(redisUrl?: string, options?: TicketServerOptions): Promise<TicketServer>;
  stop(): Promise<void>;
}

/** Opens the ground that they stand on; there is none of them yet. */
export async function openTicketServers(): Promise<TicketServers> {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-tickets-'));
  const log = createLog('silent');
  const time = { nowMs: Date.UTC(2026, 0, 2) };
  const clock = () => time.nowMs;
  const stops: (() => Promise<void>)[] = [];

  return {
    time,
    async token(sub, { tenant = 'acme', ttlS = 3_600, jti } = {}) {
      const key = await openSigningKey(join(folder, 'key'));
      const claims = { sub, ...(jti === undefined ? {} : { jti }) };
      const order = { tenant, roles: ['viewer'], ttlS, claims, nowMs: time.nowMs };
      return (await issueToken(key, PROFILE, order)).token;
    },
    async start(redisUrl, { ticketsMax, key = 'key', answerMaxMs = 60_000 } = {}) {
      const metrics = createMetrics();
      const keys = { kind: 'local', key: await openSigningKey(join(folder, key)) } as const;
      const tokens = await createTokenVerifier({ keys, profile: PROFILE, clock, log, metrics });
      const { revocations, verify } = tokens;
      let tickets: Tickets;
      if (redisUrl === undefined) tickets = createLoneTickets({ metrics, revocations });
      else {
        const redis = await openRedisScripts({
          ...{ url: redisUrl, log, metrics, what: 'tickets', answerMaxMs },
        });
        stops.push(redis.stop);
        const max = ticketsMax === undefined ? {} : { ticketsMax };
        tickets = createSharedTickets({ metrics, revocations, redis, verify, ...max });
      }
      return {
        ...{ revocations, metrics },
        issue: async (token) => tickets.issue({ claims: await verify(token), token }, time.nowMs),
        knows: (ticket) => tickets.knows(ticket, time.nowMs),
        openSocket: async (ticket) => (await tickets.redeemForSocket(ticket, time.nowMs)).sub,
        openStream: async (ticket, boundTo) =>
          (await tickets.redeemForStream(ticket, boundTo, time.nowMs)).sub,
      };
    },
    async stop() {
      for (const stop of stops) await stop();
      await rm(folder, { recursive: true });
    },
  };
}
