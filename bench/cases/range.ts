// Range latency: /v1/range of 1-second data at width 1200, asked over HTTP, for spans from an hour to a year, of one series
// and of ten, by one client and by many, alone and under ingest; against the same SQL through the `postgres` driver alone,
// a plain server that sends rows, and the same buckets made of raw points.
import type { BenchCase, BenchContext, OpenArea, Target } from '../case.ts';
import { DAY_MS, fillRangeData, HOUR_MS, isDense, type RangeData } from '../range/data.ts';
import { halfRateIngest } from '../range/ingest.ts';
import {
  type Asked,
  type Once,
  type Probe,
  percentileOf,
  record,
  replay,
  shareRounds,
  timeClients,
  timeEach,
} from '../range/probes.ts';
import { type Ask, openClient } from '../services/client.ts';
import { startBenchServer } from '../services/query-server.ts';
import { startRowServer } from '../services/row-server.ts';
import { type Ground, prepareGround } from '../setup.ts';

interface Span {
  readonly name: string;
  readonly spanMs: number;
  readonly series: 1 | 10;
}

const ONE: readonly Span[] = [
  { name: '1 h', spanMs: HOUR_MS, series: 1 },
  { name: '10 h', spanMs: 10 * HOUR_MS, series: 1 },
  { name: '1 d', spanMs: DAY_MS, series: 1 },
  // The longest of five minutes a bucket.
  { name: '12 d', spanMs: 12 * DAY_MS, series: 1 },
  { name: '30 d', spanMs: 30 * DAY_MS, series: 1 },
  { name: '365 d', spanMs: 365 * DAY_MS, series: 1 },
];
const TEN: readonly Span[] = ONE.filter(({ name }) => !['10 h', '365 d'].includes(name)).map(
  ({ name, spanMs }) => ({ name: `${name} of 10 series`, spanMs, series: 10 }),
);

const CLIENTS = [16, 64] as const;
/** Whose answer is the size of most: 1,440 buckets. */
const SHARED_SPAN = '30 d';

/** 95 % of the answers come within so many ms. */
const P95_MAX_MS = { embedded: { 1: 100, 10: undefined }, native: { 1: 20, 10: 60 } } as const;
/** Half of those of an hour of one series do. */
const HOUR_P50_MAX_MS = 4;
/** How many times as fast as from raw points. */
const FROM_RAW_MIN = 50;

/** Of one client, for each percentile. */
const REQUESTS = { quick: { 1: 8, 10: 2 }, full: { 1: 60, 10: 30 } } as const;

/** What cases are made of. */
interface Bench {
  readonly context: BenchContext;
  readonly ground: Ground;
  readonly ask: Ask;
  /** The same of the plain server. */
  readonly askRows: Ask;
}

/** Fills a database, starts a server on it, and notes what SQL each request is answered with. */
export async function openRange(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const data = await fillRangeData(ground, context);
  const { lifecycle } = context;
  // A server as the program starts it.
  const server = await startBenchServer(ground, context);
  const rows = { url: await startRowServer(ground.database, lifecycle), token: '' };
  const bench: Bench = {
    ...{ context, ground },
    ask: openClient(server, lifecycle),
    askRows: openClient(rows, lifecycle),
  };
  const probes = await recordAll(bench, data);
  const ofSpan = ({ name }: Pick<Span, 'name'>) => probes.get(name)!;
  const clientOf = async (index: number) => {
    const token = await server.issue({ sub: `client-${index}` });
    return openClient({ ...server, token }, lifecycle);
  };
  const clients = await Promise.all(
    Array.from({ length: Math.max(...CLIENTS) }, (_, i) => clientOf(i)),
  );
  const plain = clients.map(() => openClient(rows, lifecycle));
  return {
    cases: [
      ...[...ONE, ...TEN].flatMap((span) => spanCases(span, ofSpan(span), bench)),
      ...CLIENTS.flatMap((many) =>
        clientCases(
          ofSpan({ name: SHARED_SPAN }),
          clients.slice(0, many),
          plain.slice(0, many),
          bench,
        ),
      ),
      ...ingestCases(
        ONE.map((span) => ofSpan(span)),
        bench,
      ),
    ],
    versions: ground.versions,
  };
}

async function recordAll(
  { ground, ask, context }: Bench,
  data: RangeData,
): Promise<Map<string, Probe[]>> {
  const probes = new Map<string, Probe[]>();
  for (const span of [...ONE, ...TEN]) {
    const requests = REQUESTS[context.quick ? 'quick' : 'full'][span.series];
    const asked: Asked = { ...span, requests };
    probes.set(span.name, await record(ground.database, ask, asked, data));
  }
  return probes;
}

const PERCENTILES = [
  { name: 'p50', fraction: 0.5 },
  { name: 'p95', fraction: 0.95 },
  { name: 'p99', fraction: 0.99 },
] as const;

type Figure = (typeof PERCENTILES)[number]['name'];

type Figures = ReturnType<typeof shareRounds>;

/** Percentiles of the same rounds, each against that of the ceiling's. */
function percentileCases(
  name: string,
  ceilingName: string,
  [figureOf, ceilingOf]: readonly [Figures, Figures],
  maxima: Partial<Record<Figure, number | undefined>> = {},
): BenchCase[] {
  return PERCENTILES.map((percentile): BenchCase => {
    const max = maxima[percentile.name];
    const figure = percentileOf(percentile.fraction);
    return {
      name: `range/${name} ${percentile.name}`,
      unit: 'ms',
      better: 'less',
      ...(max === undefined ? {} : { target: { kind: 'value', max } }),
      run: figureOf(figure),
      ceiling: { name: ceilingName, run: ceilingOf(figure) },
    };
  });
}

function maximaOf(
  { name, series }: Span,
  { ground }: Bench,
): Partial<Record<Figure, number | undefined>> {
  const { embedded } = ground.database;
  return {
    p50: name === '1 h' && !embedded ? HOUR_P50_MAX_MS : undefined,
    p95: P95_MAX_MS[embedded ? 'embedded' : 'native'][series],
  };
}

function spanCases(span: Span, probes: readonly Probe[], bench: Bench): BenchCase[] {
  const { ask, askRows, ground } = bench;
  const answer: Once<Probe> = ({ path }) => ask(path);
  const sql = {
    name: 'the same SQL through postgres alone',
    measure: () => timeEach(probes, (probe) => replay(ground.database, probe)),
  };
  const against = (
    name: string,
    ceiling: { readonly name: string; readonly once: Once<Probe> },
    some: readonly Probe[],
    target?: Target,
  ): BenchCase => ({
    name: `range/${span.name} ${name}`,
    unit: 'ms',
    better: 'less',
    ...(target === undefined ? {} : { target }),
    run: async () => percentileOf(0.5)(await timeEach(some, answer)),
    ceiling: {
      name: ceiling.name,
      run: async () => percentileOf(0.5)(await timeEach(some, ceiling.once)),
    },
  });
  const rows = {
    name: 'node:http and rows as JSON',
    once: ({ rowPath }: Probe) => askRows(rowPath),
  };
  const raw = {
    name: 'extremes of the same buckets from raw points, in SQL alone',
    once: ({ fromRaw }: Probe) => ground.database.reader.unsafe(fromRaw).raw(),
  };
  const measured = shareRounds(() => timeEach(probes, answer));
  const size = { quick: bench.context.quick, embedded: ground.database.embedded };
  const isAllDense = isDense(span.series - 1, size);
  return [
    ...percentileCases(
      span.name,
      sql.name,
      [measured, shareRounds(sql.measure)],
      maximaOf(span, bench),
    ),
    against('beside rows', rows, probes.slice(0, Math.ceil(probes.length / 3))),
    ...(span.spanMs === 30 * DAY_MS && isAllDense
      ? [against('beside raw', raw, probes.slice(0, 1), { kind: 'ratio', min: FROM_RAW_MIN })]
      : []),
  ];
}

/** Requests that each of many clients makes. */
const ROUNDS_A_CLIENT = { quick: 1, full: 20 } as const;

function clientCases(
  probes: readonly Probe[],
  clients: readonly Ask[],
  plain: readonly Ask[],
  { context }: Bench,
): BenchCase[] {
  const requests = clients.length * ROUNDS_A_CLIENT[context.quick ? 'quick' : 'full'];
  const all = Array.from({ length: requests }, (_, index) => probes[index % probes.length]!);
  const name = `${SHARED_SPAN}, ${clients.length} clients`;
  const measure = () =>
    timeClients(
      all,
      clients.map(
        (ask): Once<Probe> =>
          ({ path }) =>
            ask(path),
      ),
    );
  const ceiling = {
    name: 'node:http and rows as JSON, as many clients',
    measure: () =>
      timeClients(
        all,
        plain.map(
          (ask): Once<Probe> =>
            ({ rowPath }) =>
              ask(rowPath),
        ),
      ),
  };
  const rates = [shareRounds(measure), shareRounds(ceiling.measure)] as const;
  return [
    {
      name: `range/${name}`,
      unit: 'requests/s',
      better: 'more',
      run: rates[0](({ rate }) => rate),
      ceiling: { name: ceiling.name, run: rates[1](({ rate }) => rate) },
    },
    ...percentileCases(name, ceiling.name, rates),
  ];
}

/** Ranges of every span by turns, as long as readings come in. */
function ingestCases(spans: readonly (readonly Probe[])[], bench: Bench): BenchCase[] {
  const { ask, ground, context } = bench;
  const during = halfRateIngest(ground, context);
  const mixed = spans[0]!.flatMap((_, index) => spans.map((probes) => probes[index]!));
  const answer: Once<Probe> = ({ path }) => ask(path);
  const whileIngesting = () =>
    during(async (isOver) => {
      const durationsMs: number[] = [];
      const beganMs = performance.now();
      for (let at = 0; !isOver(); at++) {
        const round = await timeEach([mixed[at % mixed.length]!], answer);
        durationsMs.push(...round.durationsMs);
      }
      return { durationsMs, rate: (durationsMs.length * 1_000) / (performance.now() - beganMs) };
    });
  const alone = {
    name: 'the same requests without ingest',
    measure: () => timeEach(mixed, answer),
  };
  return percentileCases('any span under ingest', alone.name, [
    shareRounds(whileIngesting),
    shareRounds(alone.measure),
  ]);
}
