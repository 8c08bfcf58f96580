// Requests for ranges, the SQL that answers each, and how long they take: one after another, or of many clients at once.
import type postgres from 'postgres';
import type { Database } from '../../sql/connection.ts';
import type { Ask } from '../services/client.ts';
import { rowPath } from '../services/row-server.ts';
import { percentile } from '../statistics.ts';
import { channelOf } from '../workload.ts';
import type { RangeData } from './data.ts';

/** One request, and what answers it elsewhere. */
export interface Probe {
  readonly path: string;
  /** Those that answered it when it was asked first. */
  readonly statements: readonly Statement[];
  /** The same buckets of the row server, by the coarsest level that the answer came from. */
  readonly rowPath: string;
  /** One statement that makes the same buckets of raw points, with less in them. */
  readonly fromRaw: string;
}

interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

export interface Asked {
  readonly spanMs: number;
  /** How many series, and how many requests. */
  readonly series: number;
  readonly requests: number;
}

const WIDTH = 1_200;
/** Ranges end so far from one another: at no bucket's edge, and some within a day. */
const APART_MS = 997_000;

/** Requests for one span that end at different times. */
function pathsOf({ spanMs, series, requests }: Asked, { endMs }: RangeData): string[] {
  return Array.from({ length: requests }, (_, index) => {
    const end = endMs - index * APART_MS;
    const query = new URLSearchParams({
      start: new Date(end - spanMs).toISOString(),
      end: new Date(end).toISOString(),
      width: String(WIDTH),
    });
    for (let at = 0; at < series; at++) {
      const { asset, channel } = channelOf(at);
      query.append('series', `${asset}/${channel}`);
    }
    return `/v1/range?${query}`;
  });
}

interface Answer {
  readonly range: {
    readonly start: number;
    readonly end: number;
    readonly step_ms: number;
    readonly level: string;
  };
  readonly series: readonly { readonly t: readonly number[] }[];
}

/** Asks each request once, noting the statements that the driver sends meanwhile. */
export async function record(
  database: Database,
  ask: Ask,
  asked: Asked,
  data: RangeData,
): Promise<Probe[]> {
  const probes: Probe[] = [];
  const seriesIds = data.seriesIds.slice(0, asked.series);
  for (const path of pathsOf(asked, data)) {
    const statements: Statement[] = [];
    database.reader.options.debug = (_connection, text, parameters) => {
      if (/^\s*(select|set local)/i.test(text)) statements.push({ text, parameters });
    };
    const { range, series } = JSON.parse((await ask(path)).toString()) as Answer;
    if (series.length < asked.series || series.some(({ t }) => t.length < WIDTH / 4)) {
      throw new Error(`${path} has no data`);
    }
    const { start: startMs, end: endMs, step_ms: stepMs, level } = range;
    const question = { seriesIds, startMs, endMs, stepMs, level };
    probes.push({ path, statements, rowPath: rowPath(question), fromRaw: fromRaw(question) });
  }
  database.reader.options.debug = false;
  return probes;
}

// The least that raw points can be asked: no first() and last(), which cost five times as much, and no times of extremes.
const fromRaw = (of: {
  readonly seriesIds: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}) => `
select series_id, time_bucket(interval '${of.stepMs} milliseconds', time) as t, min(time) as t_first,
  max(time) as t_last, min(value) as min, max(value) as max
from tailrace.reading where series_id in (${of.seriesIds.join()})
  and time >= to_timestamp(${of.startMs / 1_000}) and time < to_timestamp(${of.endMs / 1_000})
group by 1, 2`;

/** Sends a request's statements in one transaction, without waiting between them. */
export async function replay(database: Database, { statements }: Probe): Promise<void> {
  await database.reader.begin('isolation level repeatable read read only', (snapshot) =>
    Promise.all(
      statements.map(({ text, parameters }) =>
        // As bytes: what comes through a binary cursor is no text, and was sent with the words of one.
        snapshot.unsafe(text, parameters as postgres.ParameterOrJSON<never>[]).raw(),
      ),
    ),
  );
}

/** Durations of some requests in ms, and how many there were a second. */
export interface Round {
  readonly durationsMs: readonly number[];
  readonly rate: number;
}

export type Once<T> = (one: T) => Promise<unknown>;

/** One after another. */
export const timeEach = <T>(all: readonly T[], once: Once<T>) => timeClients(all, [once]);

/** Each client takes the next one as soon as it has its answer. */
export async function timeClients<T>(
  all: readonly T[],
  clients: readonly Once<T>[],
): Promise<Round> {
  const durationsMs: number[] = [];
  let next = 0;
  const beganMs = performance.now();
  await Promise.all(
    clients.map(async (once) => {
      while (next < all.length) {
        const one = all[next++]!;
        const startMs = performance.now();
        await once(one);
        durationsMs.push(performance.now() - startMs);
      }
    }),
  );
  return { durationsMs, rate: (durationsMs.length * 1_000) / (performance.now() - beganMs) };
}

/**
 * Shares rounds among cases that tell different figures of them: the first case that comes to a round measures it, in its
 * turn beside its ceiling.
 */
export function shareRounds(measure: () => Promise<Round>) {
  const rounds: Round[] = [];
  return (figure: (round: Round) => number): (() => Promise<number>) => {
    let next = 0;
    return async () => {
      const at = next++;
      rounds[at] ??= await measure();
      return figure(rounds[at]);
    };
  };
}

/** The figure of a round that a percentile is. */
export const percentileOf =
  (fraction: number) =>
  ({ durationsMs }: Round): number =>
    percentile(durationsMs, fraction);
