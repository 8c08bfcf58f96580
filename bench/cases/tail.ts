// Live tails: what the fan-out of points to hundreds and thousands of subscribers costs a core of the server, how soon
// they come, what an idle subscriber takes, and what readers that never read cost the others. Readings are appended to
// the feed in the server's process, as the writer does after COMMIT; broker and database have no part in it.
import type { BenchCase, BenchContext, OpenArea, Target } from '../case.ts';
import { createSeries, prepareGround } from '../setup.ts';
import { percentile } from '../statistics.ts';
import { framesOf, type Load, type Pattern, type Shape } from '../tail/load.ts';
import type { ServerKind } from '../tail/messages.ts';
import { type Crowd, createRounds, type Rounds, type TailRound } from '../tail/rounds.ts';

interface Workload extends Shape {
  readonly recordsPerS: number;
  readonly isQuick: boolean;
}

/** 1,000 to 50,000 readings/s; a record of the feed is what one COMMIT brought. */
const WORKLOADS: readonly Workload[] = [
  { pattern: 'one', subscribers: 200, readings: 1, recordsPerS: 10_000, isQuick: true },
  { pattern: 'one', subscribers: 2_000, readings: 1, recordsPerS: 1_000, isQuick: false },
  { pattern: 'one', subscribers: 10_000, readings: 20, recordsPerS: 100, isQuick: false },
  { pattern: 'many', subscribers: 200, readings: 100, recordsPerS: 500, isQuick: true },
  { pattern: 'many', subscribers: 2_000, readings: 20, recordsPerS: 1_000, isQuick: false },
  { pattern: 'many', subscribers: 10_000, readings: 50, recordsPerS: 1_000, isQuick: false },
];
/** The crowd some of whom read nothing. */
const PARTLY_STALLED = {
  quick: { pattern: 'one', subscribers: 1_000, readings: 20 },
  full: { pattern: 'one', subscribers: 2_000, readings: 20 },
} as const satisfies Record<string, Shape>;
const PARTLY_STALLED_RECORDS_PER_S = 50;
const PARTLY_STALLED_SECONDS = { quick: 0.5, full: 5 } as const;
const STALLED_SHARE = 0.01;
/**
 * Frames that reach subscribers in one run, in quick ones what takes a core some 100 to 400 ms. A naive fan-out, which
 * keeps nobody from falling behind, gets a tenth.
 */
const FRAMES = {
  quick: { one: 200_000, many: 40_000 },
  full: { one: 2_000_000, many: 2_000_000 },
} as const;
/** Of whom it is measured what each takes while nothing comes. */
const IDLE = { quick: 2_000, full: 10_000 } as const;
/** Latency is measured at this share of the frames that tailrace was seen to get across in a second. */
const LATENCY_LOAD = 0.5;
const LATENCY_SECONDS = { quick: 0.3, full: 5 } as const;

/** Ratios for frames by pattern; ms; KB; a p99 within a fifth. */
const TARGETS = {
  naive: { one: { kind: 'ratio', min: 20 }, many: { kind: 'ratio', min: 1.5 } },
  latency: { kind: 'value', max: 30 },
  memory: { kind: 'value', max: 10 },
  stalled: { kind: 'ratio', min: 0.8 },
} as const satisfies Record<string, Target | Record<Pattern, Target>>;

type Measure = () => Promise<TailRound>;
type Figure = (round: TailRound) => number;

/** Gives each figure the same rounds: the n-th time that a figure is asked for it is of the n-th round. */
function share(measure: Measure): (figure: Figure) => () => Promise<number> {
  const rounds: TailRound[] = [];
  return (figure) => {
    let next = 0;
    return async () => {
      const at = next++;
      rounds[at] ??= await measure();
      return figure(rounds[at]);
    };
  };
}

const latencyOf =
  (fraction: number): Figure =>
  ({ latenciesMs }) =>
    percentile(latenciesMs, fraction);

const CEILINGS = {
  naive: 'ws and JSON for each socket',
  publish: 'publish of uWebSockets.js, frames of the same bytes',
} as const;

interface Bench {
  readonly context: BenchContext;
  readonly rounds: Rounds;
}

const lengthOf = ({ quick }: BenchContext): 'quick' | 'full' => (quick ? 'quick' : 'full');

function loadOf(workload: Workload, context: BenchContext, kind: ServerKind): Load {
  const frames = FRAMES[lengthOf(context)][workload.pattern] / (kind === 'naive' ? 10 : 1);
  const records = Math.max(20, Math.round(frames / framesOf(workload)));
  return { recordsPerS: workload.recordsPerS, records };
}

/** What leaves room: a share of what was seen to get across. */
function halfLoad(workload: Workload, context: BenchContext, { framesPerS }: TailRound): Load {
  const most = (framesPerS * LATENCY_LOAD) / framesOf(workload);
  const recordsPerS = Math.max(1, Math.min(workload.recordsPerS, most));
  return { recordsPerS, records: Math.ceil(recordsPerS * LATENCY_SECONDS[lengthOf(context)]) };
}

const nameOf = ({ pattern, subscribers }: Shape): string =>
  `${pattern === 'one' ? 'one to many' : 'many to many'}, ${subscribers}`;

function throughputCases(workload: Workload, { context, rounds }: Bench): BenchCase[] {
  const crowd: Crowd = { shape: workload, stalledShare: 0 };
  const shared = (kind: ServerKind) =>
    share(() => rounds.measure(kind, crowd, loadOf(workload, context, kind)));
  const ours = shared('tailrace');
  const ceilings = { naive: shared('naive'), publish: shared('publish') };
  const figures = [
    { what: 'frames', of: (round: TailRound) => round.framesPerCpuS },
    { what: 'points', of: (round: TailRound) => round.pointsPerCpuS },
  ] as const;
  return (['naive', 'publish'] as const).flatMap((kind) =>
    figures.map(({ what, of }): BenchCase => {
      const target = kind === 'naive' && what === 'frames' ? TARGETS.naive[workload.pattern] : null;
      return {
        name: `tail/${nameOf(workload)}: ${what} beside ${kind}`,
        unit: `${what}/s a core`,
        better: 'more',
        ...(target === null ? {} : { target }),
        run: ours(of),
        ceiling: { name: CEILINGS[kind], run: ceilings[kind](of) },
      };
    }),
  );
}

function latencyCases(workload: Workload, { context, rounds }: Bench): BenchCase[] {
  const crowd: Crowd = { shape: workload, stalledShare: 0 };
  let load: Promise<Load> | undefined;
  const findLoad = async (): Promise<Load> =>
    halfLoad(
      workload,
      context,
      await rounds.measure('tailrace', crowd, loadOf(workload, context, 'tailrace')),
    );
  const measure = async (kind: ServerKind): Promise<TailRound> => {
    load ??= findLoad();
    return rounds.measure(kind, crowd, await load);
  };
  const ours = share(() => measure('tailrace'));
  const ceiling = share(() => measure('publish'));
  return [
    { name: 'p50', fraction: 0.5 },
    { name: 'p99', fraction: 0.99, target: TARGETS.latency },
  ].map(
    ({ name, fraction, ...target }): BenchCase => ({
      name: `tail/${nameOf(workload)}: publish to receive ${name}`,
      unit: 'ms',
      better: 'less',
      ...target,
      run: ours(latencyOf(fraction)),
      ceiling: { name: CEILINGS.publish, run: ceiling(latencyOf(fraction)) },
    }),
  );
}

/** The same points to the same crowd, with and without those who do not read; both stay open. */
function stalledCase(context: BenchContext, withStalled: Rounds, without: Rounds): BenchCase {
  const length = lengthOf(context);
  const shape = PARTLY_STALLED[length];
  const recordsPerS = PARTLY_STALLED_RECORDS_PER_S;
  const load = { recordsPerS, records: recordsPerS * PARTLY_STALLED_SECONDS[length] };
  const p99 = latencyOf(0.99);
  return {
    name: `tail/${nameOf(shape)}, 1 % stalled: publish to receive p99`,
    unit: 'ms',
    better: 'less',
    target: TARGETS.stalled,
    run: async () =>
      p99(await withStalled.measure('tailrace', { shape, stalledShare: STALLED_SHARE }, load)),
    ceiling: {
      name: 'nobody stalled',
      run: async () => p99(await without.measure('tailrace', { shape, stalledShare: 0 }, load)),
    },
  };
}

function memoryCase(pattern: Pattern, { rounds, context }: Bench): BenchCase {
  const shape: Shape = { pattern, subscribers: IDLE[lengthOf(context)], readings: 0 };
  const kilobytes = async (kind: ServerKind): Promise<number> =>
    (await rounds.memory(kind, shape)) / 1_024;
  return {
    name: `tail/${nameOf(shape)}: memory of an idle subscriber`,
    unit: 'KB',
    better: 'less',
    target: TARGETS.memory,
    once: true,
    run: () => kilobytes('tailrace'),
    ceiling: { name: 'uWebSockets.js alone', run: () => kilobytes('publish') },
  };
}

/** Makes the series; servers and subscribers are started by the first case that needs them. */
export async function openTail(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const workloads = WORKLOADS.filter(({ isQuick }) => isQuick || !context.quick);
  const series = Math.max(
    IDLE[lengthOf(context)],
    PARTLY_STALLED[lengthOf(context)].subscribers,
    ...workloads.map(({ subscribers }) => subscribers),
  );
  context.note(`tail: making ${series} series`);
  const seriesIds = await createSeries(ground, series, (Date.now() - 86_400_000) * 1_000);
  const openRounds = (): Rounds => createRounds(ground, seriesIds, context);
  const bench: Bench = { context, rounds: openRounds() };
  return {
    cases: [
      ...workloads.flatMap((workload) => [
        ...throughputCases(workload, bench),
        ...latencyCases(workload, bench),
      ]),
      // Those of one set take about as much as those with sets of their own.
      ...(context.quick ? [] : [memoryCase('one', bench)]),
      memoryCase('many', bench),
      stalledCase(context, openRounds(), openRounds()),
    ],
    versions: ground.versions,
  };
}
