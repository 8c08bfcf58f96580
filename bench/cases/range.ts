// Range latency: /v1/range of one series of 10-second data at width 1200, asked over HTTP, for spans from an hour to a
// year, against the same SQL through the `postgres` driver alone.
import type postgres from 'postgres';
import type { Database } from '../../sql/connection.ts';
import { startRefresher } from '../../store/refresher.ts';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { type Ask, openClient } from '../services/client.ts';
import { startBenchServer } from '../services/query-server.ts';
import { createSeries, type Ground, prepareGround, seedSeries } from '../setup.ts';
import { percentile } from '../statistics.ts';
import { channelOf } from '../workload.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const INTERVAL_MS = 10_000;
const WIDTH = 1_200;
const TARGET_P95_MS = 100;

const SPANS = [
  { name: '1 h', ms: HOUR_MS },
  { name: '10 h', ms: 10 * HOUR_MS },
  { name: '1 d', ms: DAY_MS },
  { name: '12 d', ms: 12 * DAY_MS },
  { name: '30 d', ms: 30 * DAY_MS },
  { name: '365 d', ms: 365 * DAY_MS },
] as const;

/** One request, and the statements that answered it when it was asked first. */
interface Probe {
  readonly path: string;
  readonly statements: readonly Statement[];
}

interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** Fills a database, starts a server on it, and notes what SQL each request is answered with. */
export async function openRange(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const endMs = await fill(ground, context);
  // A server as the program starts it.
  const ask = openClient(await startBenchServer(ground, context), context.lifecycle);
  const cases: BenchCase[] = [];
  for (const span of SPANS) {
    const probes = await record(ground.database, ask, pathsOf(span.ms, endMs, context.quick));
    cases.push(...casesOf(span.name, probes, ask, ground.database));
  }
  return { cases, versions: ground.versions };
}

/**
 * A year and a month of readings, 3.4 million, with all rollups refreshed; gives the end of the data. Quick keeps the
 * last 45 days dense, which is as far as any span reads raw points or minutes, and thins out what is older to 15
 * minutes, so that an hour's rollup has as many rows as it would have.
 */
async function fill(ground: Ground, context: BenchContext): Promise<number> {
  const { database, metrics } = ground;
  const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const startMs = endMs - 396 * DAY_MS;
  const denseMs = context.quick ? endMs - 45 * DAY_MS : startMs;
  const [seriesId] = await createSeries(ground, 1, startMs * 1000);
  if (seriesId === undefined) throw new Error('no series was created');
  context.note('range: writing readings');
  await seedSeries(database, seriesId, { startMs, endMs: denseMs, intervalMs: HOUR_MS / 4 });
  await seedSeries(database, seriesId, { startMs: denseMs, endMs, intervalMs: INTERVAL_MS });
  context.note('range: refreshing rollups');
  const refresher = context.lifecycle.add(
    startRefresher({ database, log: context.log, metrics, clock: Date.now }),
  );
  await refresher.refreshNow();
  return endMs;
}

/** Requests for one span that end at different times, some within a minute and some within a day. */
function pathsOf(spanMs: number, endMs: number, quick: boolean): string[] {
  const { asset, channel } = channelOf(0);
  return Array.from({ length: quick ? 20 : 60 }, (_, index) => {
    const end = endMs - index * 997_000;
    const query = new URLSearchParams({
      series: `${asset}/${channel}`,
      start: new Date(end - spanMs).toISOString(),
      end: new Date(end).toISOString(),
      width: String(WIDTH),
    });
    return `/v1/range?${query}`;
  });
}

/** Asks for each path once, noting the statements that the driver sends meanwhile. */
async function record(database: Database, ask: Ask, paths: readonly string[]): Promise<Probe[]> {
  const probes: Probe[] = [];
  for (const path of paths) {
    const statements: Statement[] = [];
    database.reader.options.debug = (_connection, text, parameters) => {
      if (/^\s*(select|set local)/i.test(text)) statements.push({ text, parameters });
    };
    const answer = JSON.parse((await ask(path)).toString()) as { series: { t: number[] }[] };
    if ((answer.series[0]?.t.length ?? 0) < WIDTH / 4) throw new Error(`${path} has no data`);
    probes.push({ path, statements });
  }
  database.reader.options.debug = false;
  return probes;
}

function casesOf(
  span: string,
  probes: readonly Probe[],
  ask: Ask,
  database: Database,
): BenchCase[] {
  const percentiles = [
    // A median settles with far fewer requests than the 95th percentile.
    { name: 'p50', fraction: 0.5, asked: probes.slice(0, probes.length / 2) },
    { name: 'p95', fraction: 0.95, asked: probes, target: { kind: 'value', max: TARGET_P95_MS } },
  ] as const;
  return percentiles.map(({ name, fraction, asked, ...target }) => ({
    name: `range/${span} ${name}`,
    unit: 'ms',
    better: 'less',
    ...target,
    run: () => timeEach(asked, fraction, ({ path }) => ask(path)),
    ceiling: {
      name: 'the same SQL through postgres alone',
      run: () => timeEach(asked, fraction, ({ statements }) => replay(database, statements)),
    },
  }));
}

/** The given percentile of the durations of all probes, one after another, in ms. */
async function timeEach(
  probes: readonly Probe[],
  fraction: number,
  once: (probe: Probe) => Promise<unknown>,
): Promise<number> {
  const durationsMs: number[] = [];
  for (const probe of probes) {
    const startMs = performance.now();
    await once(probe);
    durationsMs.push(performance.now() - startMs);
  }
  return percentile(durationsMs, fraction);
}

/** Sends statements in one transaction, without waiting between them. */
async function replay(database: Database, statements: readonly Statement[]): Promise<void> {
  await database.reader.begin('isolation level repeatable read read only', (snapshot) =>
    Promise.all(
      statements.map(({ text, parameters }) =>
        // As bytes: what comes through a binary cursor is no text.
        snapshot.unsafe(text, parameters as postgres.ParameterOrJSON<never>[]).raw(),
      ),
    ),
  );
}
