// What a server sends to those who are too slow, or not allowed any more, and what the client makes of it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FollowedTail, followTail } from '../test/followed-tail.ts';
import { eventually } from '../test/program.ts';
import { startProxy, type TcpProxy } from '../test/proxy.ts';
import { startTailServer, type TailServer } from '../test/tail-server.ts';
import type { Frame } from './frames.ts';
import { tail } from './tail.ts';

const SNAPSHOT = { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' };
const T0 = Date.UTC(2026, 0, 2, 13);
/** Texts fill what lies between with few points. */
const LONG = 'x'.repeat(100_000);

let tails: TailServer;
let proxy: TcpProxy;

beforeAll(async () => {
  tails = await startTailServer();
  proxy = await startProxy(() => ({
    ...{ host: '127.0.0.1', port: Number(new URL(tails.server.url).port) },
  }));
});

afterAll(async () => {
  await proxy.close();
  await tails.stop();
});

const until = (condition: () => boolean) => eventually(async () => condition(), Boolean);
const ofType = <T extends Frame['type']>({ frames }: FollowedTail, type: T) =>
  frames.filter((frame): frame is Frame & { type: T } => frame.type === type);

async function follow(series: string, sub = 'ann'): Promise<FollowedTail> {
  const followed = followTail({
    url: `http://127.0.0.1:${proxy.port}`,
    token: () => tails.server.token({ claims: { sub } }),
    ...{ series: [series], snapshot: SNAPSHOT },
  });
  await until(() => followed.states.at(-1) === 'live');
  return followed;
}

/** Writes texts of a second each, of times that grow. */
async function flood(channel: string, count: number, from: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) {
    await tails.server.write('rig-1', channel, [[T0 + i * 1_000, `${i} ${LONG}`]]);
  }
}

describe('a tail', () => {
  it('ends with 4403 when its token is revoked', async () => {
    const { ended, states } = await follow('rig-1/spp', 'eve');
    const revokedAtMs = tails.time.nowMs + 1_000;
    tails.server.revocations.add({ tenant: 'acme', subject: 'eve', revokedAtMs });
    await expect(ended).rejects.toMatchObject({ name: 'TailError', code: '4403' });
    expect(states.at(-1)).toBe('ended');
  });

  it('that was held up says so, and its frames count what was not sent', async () => {
    await tails.server.write('rig-1', 'mode', [[T0, 'idle']]);
    const followed = await follow('rig-1/mode');
    proxy.hold();
    await flood('mode', 150, 1);
    proxy.release();
    await until(() => followed.states.includes('summaries'));
    await tails.server.write('rig-1', 'mode', [[T0 + 200_000, 'over']]);
    await until(() => followed.states.at(-1) === 'live');
    const [id = 0] = followed.view.seriesIds;
    const points = ofType(followed, 'data').flatMap((frame) => frame.points);
    expect(followed.view.dropped).toBeGreaterThan(0);
    expect(points.length + followed.view.dropped).toBe(151);
    expect(followed.view.points(id).at(-1)?.v).toBe('over');
    expect(followed.states).not.toContain('offline');
  });

  it('that was closed with 4408 comes back, and misses nothing', async () => {
    await tails.server.write('rig-1', 'step', [[T0, 'idle']]);
    const followed = await follow('rig-1/step');
    proxy.hold();
    await flood('step', 150, 1);
    const opened = async () => {
      const text = await (await fetch(`${tails.server.url}/metrics`)).text();
      return Number(/^tailrace_tail_connections_size (\d+)$/m.exec(text)?.[1]);
    };
    await eventually(
      async () => {
        tails.time.nowMs += 21_000;
        return opened();
      },
      (count) => count === 0,
    );
    proxy.release();
    const [id = 0] = followed.view.seriesIds;
    await until(() => followed.view.points(id).length === 151);
    expect(ofType(followed, 'bye').map(({ code }) => code)).toEqual([4408]);
    expect(followed.states).toContain('offline');
  });

  it('tries again where a proxy before the server says that there is none', async () => {
    const gateway = createServer((_, response) => response.writeHead(502).end('<html>Bad Gateway'));
    await new Promise<void>((listening) => gateway.listen(0, '127.0.0.1', listening));
    const { tail: followed, states } = followTail({
      url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
      ...{ token: () => 'none', series: ['rig-1/spp'] },
    });
    await until(() => {
      const { state } = followed;
      return state.kind === 'offline' && state.reason === 'The server answered 502.';
    });
    expect(states).not.toContain('ended');
    gateway.closeAllConnections();
    gateway.close();
  });

  it('says what is missing where there is no WebSocket', () => {
    vi.stubGlobal('WebSocket', undefined);
    const token = () => 'none';
    expect(() => tail({ url: 'http://127.0.0.1:1', token, series: ['a/b'] })).toThrow('package ws');
    vi.unstubAllGlobals();
  });
});
