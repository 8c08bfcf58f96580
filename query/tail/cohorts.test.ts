// Many tails that are sent the same, while each of them stalls, comes back, subscribes again, and is decided again: each
// gets every point once, in the feed's order, or is told how many it was not sent.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Claims } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { openHouse, type SessionHouse, type TestSession } from '../../test/tail-sessions.ts';
import type { Bucket } from './waiting.ts';

type Row = readonly [seriesId: number, t: number, value: number];

const NOW = Date.UTC(2026, 0, 2, 12);
const SESSIONS = 4;

const claims = (name: string): Claims => {
  return { sub: name, tenant: 'acme', roles: ['viewer'], iat: 1, exp: 9e9 };
};

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function settled({ services }: SessionHouse): Promise<void> {
  for (;;) {
    for (let turns = 0; turns < 3; turns += 1) await turn();
    const { settling, completing } = services.rechecks.waiting;
    if (settling + completing === 0) return;
  }
}

async function cohortsOf({ metrics }: SessionHouse): Promise<number> {
  const text = await metrics.exposition();
  return Number(/^tailrace_tail_cohorts_size (\d+)$/m.exec(text)?.[1]);
}

type Step =
  | { readonly kind: 'points'; readonly count: number }
  | { readonly kind: 'stall' | 'drain' | 'again' | 'tick'; readonly who: number }
  | { readonly kind: 'series' | 'rules' | 'settle' };

const who = fc.nat(SESSIONS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('points'), count: fc.constantFrom(1, 3, 700) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('stall', 'drain', 'again', 'tick'), who }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('series', 'rules', 'settle') }) },
) as fc.Arbitrary<Step>;

/** What a tail was told since it was subscribed last. */
function toldTo({ frames }: TestSession) {
  const from = frames.findLastIndex(({ type }) => type === 'subscribed');
  const since = frames.slice(from);
  const points = since.flatMap((frame) => (frame.points ?? []) as Row[]);
  const buckets = since.flatMap((frame) => (frame.buckets ?? []) as Bucket[]);
  const counted = buckets.reduce((sum, [, , , , , , count]) => sum + count, 0);
  const dropped = since.reduce((sum, frame) => sum + Number(frame.dropped ?? 0), 0);
  return { values: points.map(([, , value]) => Number(value)), counted, dropped };
}

async function openWorld() {
  let nowMs = NOW;
  const house = await openHouse({ clock: () => nowMs });
  const series: Series[] = [house.make('rig-1', 'c0')];
  const sessions = Array.from({ length: SESSIONS }, (_, i) => house.open(claims(`s${i}`)));
  /** Of each session the value that came first after it subscribed. */
  const since = sessions.map(() => 0);
  let value = 0;

  const subscribe = async (index: number) => {
    since[index] = value;
    await sessions[index]?.session.receive({ type: 'subscribe', id: 'a', match: '{}' });
  };
  for (const index of sessions.keys()) await subscribe(index);

  async function run(step: Step): Promise<void> {
    nowMs += 1;
    switch (step.kind) {
      case 'points':
        await house.feedPoints(
          Array.from({ length: step.count }, () => [
            series[value % series.length]!,
            nowMs,
            value++,
          ]),
        );
        return;
      case 'stall':
        sessions[step.who]!.unsent = 1e9;
        return;
      case 'drain':
        sessions[step.who]!.unsent = 0;
        sessions[step.who]!.session.drained();
        return;
      case 'again':
        return subscribe(step.who);
      case 'tick':
        sessions[step.who]!.session.tick(nowMs);
        return;
      case 'series':
        series.push(house.make('rig-1', `c${series.length}`));
        await house.feed.append({ kind: 'series', ids: [series.length] });
        return;
      case 'rules':
        house.rules.put((grant) => ({ ...grant, revision: `${value}` }));
        return;
      default:
        await settled(house);
    }
  }

  async function atTheEnd(): Promise<void> {
    for (const index of sessions.keys()) await run({ kind: 'drain', who: index });
    await settled(house);
    await run({ kind: 'points', count: 5 });
    nowMs += 2_000;
    for (const { session } of sessions) session.tick(nowMs);
    await settled(house);
    for (const [index, one] of sessions.entries()) {
      if (one.closed !== undefined) continue;
      const { values, counted, dropped } = toldTo(one);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(new Set(values).size).toBe(values.length);
      expect(values.length + dropped).toBe(value - since[index]!);
      expect(counted).toBeLessThanOrEqual(dropped);
    }
    // Whatever they went through, they are of one kind again.
    await run({ kind: 'points', count: 1 });
    expect(await cohortsOf(house)).toBe(
      sessions.some(({ closed }) => closed === undefined) ? 1 : 0,
    );
  }
  return { house, run, atTheEnd };
}

describe('tails of one kind', () => {
  it('each get every point once, or its count, whatever happens to any of them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const world = await openWorld();
        try {
          for (const one of steps) await world.run(one);
          await world.atTheEnd();
        } finally {
          world.house.stop();
        }
      }),
      { numRuns: 150 },
    );
  });
});
