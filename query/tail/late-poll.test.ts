// Tails that are delayed or coarser miss no point that comes in behind what they were sent, and are sent none too early.
import { expect, it, onTestFinished } from 'vitest';
import type { Obligations } from '../../policies/grant.ts';
import { changeGrants } from '../../test/policy.ts';
import type { Frame, TailClient } from '../../test/tail-client.ts';
import { startTailServer, type TailServer } from '../../test/tail-server.ts';

const MINUTE_MS = 60_000;

/** A server whose tails have these obligations, and one who follows. */
async function follow(
  obligations: Obligations,
): Promise<{ tails: TailServer; client: TailClient }> {
  const tails = await startTailServer({
    policy: (shipped) => changeGrants(shipped, (grant) => ({ ...grant, obligations })),
  });
  onTestFinished(() => tails.stop());
  const client = await tails.connect(await tails.server.token());
  client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'] });
  await client.next('subscribed');
  return { tails, client };
}

/** Lets time go by until a frame of this kind comes. */
async function nextOf({ time }: TailServer, client: TailClient, type: string): Promise<Frame> {
  const moving = setInterval(() => {
    time.nowMs += 100;
  }, 20);
  try {
    return await client.next(type);
  } finally {
    clearInterval(moving);
  }
}

it('a delayed tail is sent late and corrected points, and every point once it is old enough', async () => {
  const { tails, client } = await follow({ delay_ms: MINUTE_MS });
  const { server, time } = tails;
  const write = (ms: number, value: number) => server.write('rig-1', 'spp', [[ms, value]]);
  const t0 = time.nowMs;
  const oldMs = t0 - 10 * MINUTE_MS;
  const { id } = await write(oldMs, 1);
  expect((await nextOf(tails, client, 'data')).points).toEqual([[id, oldMs, 1]]);
  await write(oldMs, 2);
  await write(oldMs + 5, 3);
  const told: unknown[] = [];
  while (told.length < 2) told.push(...(await nextOf(tails, client, 'data')).points);
  expect(told.slice(-2)).toContainEqual([id, oldMs + 5, 3]);
  expect(told).toContainEqual([id, oldMs, 2]);
  // The first point of all is as old as the server; it comes first, and this one no sooner than it may.
  const freshMs = time.nowMs + 1_000;
  await write(freshMs, 4);
  time.nowMs = freshMs + MINUTE_MS - 2_000;
  const seen: unknown[] = [];
  while (!seen.some((point) => (point as number[])[2] === 4)) {
    seen.push(...(await nextOf(tails, client, 'data')).points);
  }
  expect(seen).toEqual([
    [id, t0, 0],
    [id, freshMs, 4],
  ]);
  expect(time.nowMs).toBeGreaterThan(freshMs + MINUTE_MS);
});

it('a coarser tail is sent a bucket again as a whole when a late point changes it', async () => {
  const { tails, client } = await follow({ finest_step_ms: MINUTE_MS });
  const { server, time } = tails;
  const startMs = time.nowMs - 10 * MINUTE_MS;
  const { id } = await server.write('rig-1', 'spp', [[startMs + 1_000, 5]]);
  const bucket = [id, startMs, 5, 5, 5, 5, 1];
  expect((await nextOf(tails, client, 'summary')).buckets).toEqual([bucket]);
  await server.write('rig-1', 'spp', [[startMs + 2_000, 7]]);
  expect((await nextOf(tails, client, 'summary')).buckets).toEqual([[id, startMs, 5, 7, 5, 7, 2]]);
  expect(client.left('data')).toEqual([]);
});
