// What happens to a plant and its viewers, drawn from a seed: the same seed gives the same steps. What the steps bring
// about differs with the moment, as everything here goes over sockets.
import { eventually } from '../../program.ts';
import { createViewer, type Order, type Viewer, WIRES } from './viewer.ts';
import type { World } from './world.ts';

/** Everybody looks at the last of them. */
const CHANNELS = ['spp', 'rpm', 'activity'] as const;
const VIEWERS_MAX = 5;
/** Times come from so many milliseconds: some come again, with another value. */
const SPAN_MS = 20_000;
/** A connection with more than what sockets hold waiting lags: texts make that quick. */
const FLOOD_BATCHES = 40;
const FLOOD_TEXTS = 6;
const FLOOD_CHARACTERS = 50_000;

interface Draw {
  /** A whole number from 0 to `below` - 1. */
  upTo(below: number): number;
  one<T>(list: readonly T[]): T;
}

/** Numbers that follow from a seed (a linear congruential generator; Numerical Recipes, 7.1). */
function drawFrom(seed: number): Draw {
  let state = seed >>> 0;
  const upTo = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return {
    upTo,
    one<T>(list: readonly T[]): T {
      const drawn = list[upTo(list.length)];
      if (drawn === undefined) throw new Error('nothing to draw from');
      return drawn;
    },
  };
}

/** One run: an asset of its own, and who looks at it. */
export interface Run {
  readonly world: World;
  readonly draw: Draw;
  readonly asset: string;
  readonly viewers: Viewer[];
  /** Of the first point, ms since 1970. */
  readonly firstMs: number;
}

type Step = (run: Run) => Promise<void> | void;

/** A text where the channel is one of states. */
function drawValue(draw: Draw, channel: string): number | string {
  const number = draw.upTo(1_000_000);
  return channel === 'activity' ? `state ${number}` : number / 8;
}

async function write(run: Run, channel: string, isFed = true): Promise<void> {
  const { world, draw, asset, firstMs } = run;
  const points = new Map<number, number | string>();
  for (let i = draw.upTo(12); i >= 0; i -= 1) {
    points.set(firstMs + draw.upTo(SPAN_MS), drawValue(draw, channel));
  }
  await world.write(asset, channel, [...points], isFed);
}

function orderOf({ draw, asset, firstMs }: Run): Order {
  const names = CHANNELS.slice(draw.upTo(CHANNELS.length)).map((channel) => `${asset}/${channel}`);
  return {
    wire: draw.one(WIRES),
    choice: draw.upTo(2) === 0 ? { match: `{asset="${asset}"}` } : { series: names },
    maxHz: draw.upTo(4) === 0 ? 20 : undefined,
    snapshot: spanOf(firstMs),
  };
}

/** The range parameters of all of a run's points. */
export function spanOf(firstMs: number): Record<string, string> {
  const end = new Date(firstMs + 10 * SPAN_MS).toISOString();
  return { start: new Date(firstMs).toISOString(), end, points: 'raw', limit: '10000' };
}

const steps: Readonly<Record<string, Step>> = {
  async write(run) {
    await write(run, run.draw.one(CHANNELS));
  },
  async newSeries(run) {
    await write(run, `new ${run.draw.upTo(20)}`);
  },
  enter(run) {
    if (run.viewers.length >= VIEWERS_MAX) return;
    const viewer = createViewer(orderOf(run));
    run.viewers.push(viewer);
    viewer.open(run.world.url, run.world.bearer);
  },
  leave: ({ viewers, draw }) => draw.one(viewers).leave(),
  goOn({ viewers, world }) {
    for (const viewer of viewers) viewer.open(world.url, world.bearer);
  },
  subscribeAnew: ({ viewers, draw }) => draw.one(viewers).subscribeAnew(),
  pause: ({ viewers, draw }) => draw.one(viewers).pause(),
  resume: ({ viewers, draw }) => draw.one(viewers).resume(),
  timePasses({ world, draw }) {
    world.time.nowMs += draw.upTo(3_000);
  },
  /** All cohorts part, until each member was looked at. */
  revoke({ world }) {
    const revokedAtMs = world.time.nowMs;
    world.server.revocations.add({ tenant: 'acme', subject: 'nobody', revokedAtMs });
  },
  /** A kill between COMMIT and feed, as the next process tells of it. */
  async lose(run) {
    await write(run, run.draw.one(CHANNELS), false);
    await run.world.server.feed.append({ kind: 'gap' });
  },
  async restart(run) {
    if (run.draw.upTo(4) > 0) return;
    if (run.draw.upTo(2) === 0) await write(run, run.draw.one(CHANNELS), false);
    await run.world.restart();
  },
};

const WEIGHTS: Readonly<Record<string, number>> = {
  write: 16,
  goOn: 3,
  newSeries: 2,
  timePasses: 2,
};
const DRAWN = Object.keys(steps).flatMap((name) =>
  new Array<string>(WEIGHTS[name] ?? 1).fill(name),
);

/** Writes more than sockets hold, while one who looks on does not read. */
export async function flood({ world, draw, asset, firstMs, viewers }: Run): Promise<void> {
  draw.one(viewers).pause();
  for (let batch = 0; batch < FLOOD_BATCHES; batch += 1) {
    const points = Array.from({ length: FLOOD_TEXTS }, (_, i) => {
      return [firstMs + i * 1_500, `${batch} ${i} `.padEnd(FLOOD_CHARACTERS, 'x')] as const;
    });
    await world.write(asset, 'activity', points);
  }
}

/** Begins a run: its series are there, and two look on. */
export async function beginRun(world: World, seed: number): Promise<Run> {
  const run: Run = {
    ...{ world, draw: drawFrom(seed), asset: `rig ${seed}`, viewers: [] },
    firstMs: Date.UTC(2026, 0, 2, 11),
  };
  for (const channel of CHANNELS) await write(run, channel);
  for (let i = 0; i < 2; i += 1) await steps.enter?.(run);
  return run;
}

/** Takes so many steps; `but` are not among them. */
export async function takeSteps(
  run: Run,
  count: number,
  but: readonly string[] = [],
): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const name = run.draw.one(DRAWN);
    if (!but.includes(name)) await steps[name]?.(run);
  }
}

/** Everybody reads again, until all have been sent what was fed last. */
export async function settleRun(run: Run): Promise<void> {
  const { world, asset, viewers, firstMs } = run;
  for (const [i, channel] of CHANNELS.entries()) {
    const value = channel === 'activity' ? 'last' : i;
    await world.write(asset, channel, [[firstMs + SPAN_MS, value]]);
  }
  const { offset } = await world.server.feed.position();
  const isThere = ({ position }: Viewer) =>
    position?.epoch === world.epoch && position.offset >= offset;
  await eventually(
    async () => {
      // Those who are sent only so much a second go by the server's clock.
      world.time.nowMs += 100;
      for (const viewer of viewers) {
        viewer.open(world.url, world.bearer);
        viewer.resume();
      }
      return viewers
        .filter((viewer) => !isThere(viewer))
        .map(({ order, position }) => [order, position]);
    },
    (behind) => behind.length === 0,
    20_000,
  );
}
