// Tails against a query server over real sockets, cut and restarted on the way.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type FollowedTail, followTail } from '../test/followed-tail.ts';
import { eventually } from '../test/program.ts';
import { startProxy, type TcpProxy } from '../test/proxy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';
import type { TailOptions } from './tail.ts';
import type { View } from './view.ts';

const DAY = { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' };
const T0 = Date.UTC(2026, 0, 2);

let database: TestDatabase;
let server: TestQueryServer;
let proxy: TcpProxy;
/** What the server takes the time for. */
let aheadMs = 0;
let channels = 0;

async function startServer(): Promise<TestQueryServer> {
  return startTestQueryServer({
    ...{ database: database.database, clock: () => Date.now() + aheadMs },
  });
}

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startServer();
  proxy = await startProxy(() => ({ host: '127.0.0.1', port: Number(new URL(server.url).port) }));
});

afterAll(async () => {
  await proxy.close();
  await server.stop();
  await database.dispose();
});

function follow(options: Partial<TailOptions> & Pick<TailOptions, 'series'>): FollowedTail {
  return followTail({
    url: `http://127.0.0.1:${proxy.port}`,
    token: () => server.token(),
    snapshot: DAY,
    ...options,
  } as TailOptions);
}

/** A series of its own with a point, by name and id. */
async function newSeries(): Promise<{ name: string; channel: string; id: number }> {
  channels += 1;
  const channel = `c${channels}`;
  const { id } = await server.write('rig-1', channel, [[T0, 0]]);
  return { name: `rig-1/${channel}`, channel, id };
}

const pairs = (view: View, id: number) => view.points(id).map(({ t, v }) => [t, v]);

async function rangeOf(id: number): Promise<unknown> {
  const query = new URLSearchParams({ series: String(id), ...DAY });
  const headers = { authorization: `Bearer ${await server.token()}` };
  const answer = await readJson(await fetch(`${server.url}/v1/range?${query}`, { headers }));
  const { t, v } = answer.series[0];
  return t.map((time: number, i: number) => [time, v[i]]);
}

const until = (condition: () => boolean) => eventually(async () => condition(), Boolean);

/** Waits until the view holds what the range says. */
async function expectSame(view: View, id: number): Promise<void> {
  const expected = JSON.stringify(await rangeOf(id));
  await eventually(
    async () => JSON.stringify(pairs(view, id)),
    (held) => held === expected,
  );
}

describe('a tail', () => {
  it('gives history and goes on without a gap', async () => {
    const { name, channel, id } = await newSeries();
    const { view, states } = follow({ series: [name] });
    for (let i = 1; i <= 20; i += 1) await server.write('rig-1', channel, [[T0 + i, i]]);
    await server.write('rig-1', channel, [
      [T0 + 7, 70],
      [T0 + 0.5, 8],
    ]);
    await expectSame(view, id);
    await until(() => states.at(-1) === 'live');
    expect([states[0], view.dropped]).toEqual(['connecting', 0]);
  });

  it('is given a new snapshot by a server that was started anew', async () => {
    const { name, channel, id } = await newSeries();
    const { view, frames, states } = follow({ series: [name] });
    await until(() => states.at(-1) === 'live');
    await server.stop();
    server = await startServer();
    await server.write('rig-1', channel, [[T0 + 1, 1]]);
    await expectSame(view, id);
    expect(states).toContain('offline');
    const snapshots = frames.filter(({ type }) => type === 'snapshot');
    expect([snapshots.length, view.gaps]).toEqual([2, 0]);
  });

  it('brings a newer token before the one it has is over', async () => {
    const { name } = await newSeries();
    const ttls = [60, 3_600];
    const token = () => server.token({ ttlS: ttls.shift() ?? 1 });
    const { frames, states } = follow({ series: [name], token });
    await until(() => states.at(-1) === 'live');
    aheadMs = 45_000;
    await until(() => frames.some(({ type }) => type === 'reauthed'));
    aheadMs = 0;
    expect(states).not.toContain('offline');
  });

  it('ends where no series is there, and says so', async () => {
    const { ended, tail: followed } = follow({ series: ['rig-1/none', 'rig-1/neither'] });
    await expect(ended).rejects.toMatchObject({ name: 'TailError', code: 'unknown_series' });
    expect(followed.state.kind).toBe('ended');
  });

  it('goes on where one of its series is not there', async () => {
    const { name, id } = await newSeries();
    const { view, frames } = follow({ series: ['rig-1/none', name] });
    await expectSame(view, id);
    expect(frames[0]).toMatchObject({ type: 'error', code: 'unknown_series' });
  });

  it('ends where the token is refused', async () => {
    const { ended } = follow({ series: ['rig-1/none'], token: () => 'none' });
    await expect(ended).rejects.toMatchObject({ code: '401' });
  });

  it('ends quietly when it is aborted', async () => {
    const { name } = await newSeries();
    const { ended, abort, states } = follow({ series: [name] });
    await until(() => states.at(-1) === 'live');
    abort();
    await ended;
    expect(states.at(-1)).toBe('ended');
  });

  it('stays on a line that is quiet, as long as the server answers', async () => {
    const { name } = await newSeries();
    let asked = 0;
    class Counting extends WebSocket {
      override send(data: string): void {
        if (data.includes('reauth')) asked += 1;
        super.send(data);
      }
    }
    const { states, frames } = follow({ series: [name], silenceMs: 100, WebSocket: Counting });
    // Each of them was answered: otherwise there would be no next one.
    await until(() => asked >= 3);
    expect(states).not.toContain('offline');
    expect(frames.map(({ type }) => type)).toEqual(['subscribed', 'snapshot']);
  });

  it('leaves a line that is dead', async () => {
    const { name, channel, id } = await newSeries();
    const { view, states } = follow({ series: [name], silenceMs: 100 });
    await until(() => states.at(-1) === 'live');
    const { opened } = proxy;
    proxy.hold();
    await until(() => states.includes('offline'));
    proxy.release();
    await server.write('rig-1', channel, [[T0 + 1, 1]]);
    await expectSame(view, id);
    expect(proxy.opened).toBeGreaterThan(opened);
  });

  it('holds what the range says, wherever its connection is cut', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.array(fc.tuple(fc.nat(50), fc.nat(9)), { minLength: 1, maxLength: 5 }),
      },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
      { weight: 1, arbitrary: fc.constant('retry' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { name, channel, id } = await newSeries();
        const { view, tail: followed, abort, ended } = follow({ series: [name] });
        for (const one of steps) {
          if (one === 'cut') proxy.cut();
          else if (one === 'retry') followed.retry();
          else {
            // One commit has a time once.
            const points = [...new Map(one)].map(([t, v]) => [T0 + t, v] as const);
            await server.write('rig-1', channel, points);
          }
        }
        await expectSame(view, id);
        expect(view.dropped).toBe(0);
        abort();
        await ended;
      }),
      { numRuns: 15 },
    );
  });
});
