// How long those who may no longer go on receiving: from a revocation, or from rules that forbid tails, to the last
// frame of thousands of open tails, against as many bare connections that are told and closed.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { BenchCase, BenchContext } from '../case.ts';
import { nowMs } from '../clock.ts';
import type { BenchServer } from '../services/query-server.ts';
import { type Subscribers, startSubscribers } from '../services/subscribers.ts';
import type { Ground } from '../setup.ts';
import { TENANT } from '../workload.ts';
import type { Switch } from './switch.ts';

const SUBSCRIBERS = 5_000;
const SUBSCRIBERS_QUICK = 1_000;
/** A point for each subscriber, so often. */
const POINT_EVERY_MS = 500;
const TARGET_MS = 1_000;
const BYE = Buffer.from('{"type":"bye","code":4403,"detail":"the token was revoked"}');

interface Bench {
  readonly ground: Ground;
  readonly server: BenchServer;
  readonly subscribers: Subscribers;
  readonly seriesId: number;
  readonly count: number;
  rounds: number;
}

/** Addresses of this machine, by turns. */
function addressOf(bench: Bench): string {
  bench.rounds += 1;
  return `127.0.1.${1 + (bench.rounds % 200)}`;
}

/** Opens all tails with a token, lets points flow, does something, and gives the time to the last frame of all. */
async function untilLastFrame(bench: Bench, act: (tokenId: string) => void): Promise<number> {
  const { ground, server, subscribers, seriesId, count } = bench;
  const tokenId = `round-${bench.rounds}`;
  const token = await server.issue({ jti: tokenId });
  const port = Number(new URL(server.url).port);
  const tail = { token, match: '{}' };
  const opened = await subscribers.open({ count, port, localAddress: addressOf(bench), tail });
  const feeding = setInterval(() => void append(ground, seriesId), POINT_EVERY_MS);
  try {
    await new Promise((resolve) => setTimeout(resolve, 1.5 * POINT_EVERY_MS));
    const sinceMs = nowMs();
    act(tokenId);
    return (await opened.over()) - sinceMs;
  } finally {
    clearInterval(feeding);
  }
}

async function append({ feed }: Ground, seriesId: number): Promise<void> {
  await feed.append({
    kind: 'readings',
    seriesIds: Int32Array.of(seriesId),
    timesUs: Float64Array.of(Date.now() * 1_000),
    values: [1],
    qualities: Int16Array.of(0),
  });
}

/** The same number of connections with nothing behind them. */
async function untilLastBye(bench: Bench): Promise<number> {
  const { subscribers, count } = bench;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const opened = await subscribers.open({ count, port, localAddress: addressOf(bench) });
  while (sockets.size < count) await new Promise((resolve) => setImmediate(resolve));
  const sinceMs = nowMs();
  for (const socket of sockets) socket.end(BYE);
  const tookMs = (await opened.over()) - sinceMs;
  server.close();
  return tookMs;
}

/** Cases for both. */
export function subscriberCases(
  context: BenchContext,
  parts: { ground: Ground; server: BenchServer; seriesId: number; rules: Switch },
): BenchCase[] {
  const { server, rules } = parts;
  const count = context.quick ? SUBSCRIBERS_QUICK : SUBSCRIBERS;
  const subscribers = context.lifecycle.add(startSubscribers());
  const bench: Bench = { ...parts, subscribers, count, rounds: 0 };
  const common = { unit: 'ms', better: 'less', target: { kind: 'value', max: TARGET_MS } } as const;
  const ceiling = {
    name: `${count} bare connections told and closed`,
    run: () => untilLastBye(bench),
  };
  const revoke = (tokenId: string): void =>
    server.revocations.add({
      ...{ tenant: TENANT, tokenId, revokedAtMs: Date.now() },
      expiresAtMs: Date.now() + 86_400_000,
    });
  return [
    {
      ...{ name: 'policy/revocation to the last frame', ...common, ceiling },
      run: () => untilLastFrame(bench, revoke),
    },
    {
      ...{ name: 'policy/rules that forbid tails to the last frame', ...common, ceiling },
      async run() {
        try {
          return await untilLastFrame(bench, () => rules.forbid('tail'));
        } finally {
          rules.allow();
        }
      },
    },
  ];
}
