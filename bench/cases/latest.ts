// Newest points: /v1/latest of 1,000 series where 100,000 are known, asked over HTTP, against the statement that would
// have to find them in the database each time.
import { createMetrics } from '../../lib/metrics.ts';
import { readSnapshot } from '../../sql/snapshot.ts';
import { selectLatestReadings } from '../../sql/statements/selectLatestReadings.ts';
import { openLatest } from '../../store/latest.ts';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { type Ask, openClient } from '../services/client.ts';
import { startBenchServer } from '../services/query-server.ts';
import { createSeries, type Ground, prepareGround } from '../setup.ts';
import { percentile } from '../statistics.ts';

const KNOWN_SERIES = 100_000;
const ASKED_SERIES = 1_000;
const REQUESTS = 200;
/** Points of each series, an hour apart: the newest is not the only one. */
const POINTS_A_SERIES = 3;
const TARGET_P99_MS = 10;

/** Fills a database, starts a server on it. */
export async function openLatestArea(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const seriesIds = await fill(ground, context);
  const ask = openClient(await startBenchServer(ground, context), context.lifecycle);
  const paths = pathsOf(seriesIds);
  return {
    cases: [fillCase(ground, context), ...askCases(ground, ask, paths)],
    versions: ground.versions,
  };
}

async function fill(ground: Ground, { note }: BenchContext): Promise<Int32Array> {
  note(`latest: making ${KNOWN_SERIES} series`);
  const ids = await createSeries(ground, KNOWN_SERIES, (Date.now() - 86_400_000) * 1_000);
  await ground.database.writer.query(
    `insert into tailrace.reading (series_id, time, value)
     select id, now() - hour * interval '1 hour', id from tailrace.series, generate_series(1, $1::int4) hour`,
    [POINTS_A_SERIES],
  );
  return ids;
}

/** Requests for series that lie far apart, by id; each other ones. */
function pathsOf(seriesIds: Int32Array): { path: string; ids: number[] }[] {
  const stride = KNOWN_SERIES / ASKED_SERIES;
  return Array.from({ length: REQUESTS }, (_, request) => {
    const ids = Array.from(
      { length: ASKED_SERIES },
      (_, index) => seriesIds[(index * stride + request) % KNOWN_SERIES]!,
    );
    return { path: `/v1/latest?${ids.map((id) => `series=${id}`).join('&')}`, ids };
  });
}

/** How long a starting server waits for its newest points; the ceiling is reading as many rows of series. */
function fillCase({ database, catalogue, feed }: Ground, context: BenchContext): BenchCase {
  return {
    name: `latest/start with ${KNOWN_SERIES} series`,
    unit: 'ms',
    better: 'less',
    run: () =>
      timed(async () => {
        const metrics = createMetrics();
        const latest = await openLatest({ database, feed, catalogue, metrics, log: context.log });
        await latest.stop();
      }),
    ceiling: {
      name: 'all rows of the series through postgres alone',
      run: () => timed(() => database.reader.unsafe('select * from tailrace.series')),
    },
  };
}

function askCases(
  { database }: Ground,
  ask: Ask,
  paths: readonly { path: string; ids: number[] }[],
): BenchCase[] {
  const percentiles = [
    { name: 'p50', fraction: 0.5 },
    { name: 'p99', fraction: 0.99, target: { kind: 'value', max: TARGET_P99_MS } },
  ] as const;
  return percentiles.map(({ name, fraction, ...target }) => ({
    name: `latest/${ASKED_SERIES} of ${KNOWN_SERIES} ${name}`,
    unit: 'ms',
    better: 'less',
    ...target,
    run: () => timeEach(paths, fraction, ({ path }) => ask(path)),
    ceiling: {
      name: 'finding them in the database',
      run: () =>
        timeEach(paths.slice(0, REQUESTS / 4), fraction, ({ ids }) =>
          readSnapshot(database, (snapshot) => selectLatestReadings(snapshot, 'number', ids)),
        ),
    },
  }));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function timeEach<T>(
  all: readonly T[],
  fraction: number,
  once: (one: T) => Promise<unknown>,
): Promise<number> {
  const durationsMs: number[] = [];
  for (const one of all) durationsMs.push(await timed(() => once(one)));
  return percentile(durationsMs, fraction);
}
