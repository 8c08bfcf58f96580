// Whatever happens to the clients of live tails and to the server, what they put together is what a range says, apart
// from what frames declared as dropped. A seed that fails is in the test's name; SEEDS by hand takes more of them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readJson } from '../../query-server.ts';
import { differences, judge, type Verdict } from './judge.ts';
import { beginRun, flood, type Run, settleRun, spanOf, takeSteps } from './schedule.ts';
import { startWorld, type World } from './world.ts';

const SEEDS = Number(process.env.SEEDS ?? 12);
const STEPS = 50;

let world: World;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(() => world.stop());

async function counted(name: string): Promise<number> {
  const text = await (await fetch(`${world.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** What a range says of the series that an order chose. */
async function rangeOf({ asset, firstMs }: Run, choice: object) {
  const query = new URLSearchParams(spanOf(firstMs));
  if ('match' in choice) query.append('match', `{asset="${asset}"}`);
  else for (const name of (choice as { series: string[] }).series) query.append('series', name);
  const headers = { authorization: `Bearer ${world.bearer}` };
  return readJson(await fetch(`${world.url}/v1/range?${query}`, { headers }));
}

/** Waits until all have everything, and holds each against the feed and the table. */
async function conclude(run: Run): Promise<Verdict[]> {
  try {
    await settleRun(run);
    const verdicts: Verdict[] = [];
    for (const { order, events } of run.viewers) {
      const verdict = judge(events, world.rows);
      const wrong = [
        ...verdict.faults,
        ...differences(verdict.view, await rangeOf(run, order.choice)),
      ];
      expect({ order, wrong }).toEqual({ order, wrong: [] });
      verdicts.push(verdict);
    }
    return verdicts;
  } finally {
    for (const viewer of run.viewers) viewer.leave();
  }
}

it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
  'any order of things: seed %i',
  async (seed) => {
    const run = await beginRun(world, seed);
    await takeSteps(run, STEPS);
    await conclude(run);
  },
);

it.each([101, 103])('a flood that some do not read: seed %i', async (seed) => {
  const run = await beginRun(world, seed);
  await takeSteps(run, 10);
  await flood(run);
  await takeSteps(run, 10);
  await conclude(run);
});

it.each([201, 202])('counters say what frames say: seed %i', async (seed) => {
  const before = [
    await counted('tailrace_tail_delivered_total'),
    await counted('tailrace_tail_dropped_total'),
  ];
  const run = await beginRun(world, seed);
  // What was under way to one who breaks off was delivered as well, and a restart begins to count anew.
  const breaks = ['leave', 'restart', 'subscribeAnew', 'lose'];
  await takeSteps(run, STEPS, breaks);
  await flood(run);
  await takeSteps(run, STEPS, breaks);
  const verdicts = await conclude(run);
  // Somebody did not read.
  expect(verdicts.some(({ dropped }) => dropped > 0)).toBe(true);
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((all, one) => all + of(one), 0);
  const after = [
    await counted('tailrace_tail_delivered_total'),
    await counted('tailrace_tail_dropped_total'),
  ];
  const [delivered, dropped] = after.map((value, i) => value - (before[i] ?? 0));
  expect([delivered, dropped]).toEqual([sum((one) => one.points), sum((one) => one.dropped)]);
});
