// A query server whose feed is written down: what was fed, in order, is what its tails are held against. It is stopped
// and started on one database, and its feed can lose what was committed, as by a kill between COMMIT and feed.
import { readConfig } from '../../../lib/config.ts';
import type { Feed, FeedBody, Position } from '../../../lib/feed/feed.ts';
import { createRing } from '../../../lib/feed/ring.ts';
import { amountsOf } from '../../../query/limits/amounts.ts';
import { openTestDatabase } from '../../database.ts';
import { startTestQueryServer, type TestQueryServer } from '../../query-server.ts';

/** A point of the feed. */
export interface Row {
  readonly offset: number;
  readonly seriesId: number;
  /** ms since 1970. */
  readonly t: number;
  readonly value: number | string;
}

export interface World {
  readonly server: TestQueryServer;
  readonly url: string;
  readonly bearer: string;
  /** The server's, ms since 1970. */
  readonly time: { nowMs: number };
  /** Of the log at present. */
  readonly epoch: string;
  /** What was fed to the log of an epoch, in order. */
  rows(epoch: string): readonly Row[];
  /** Commits points of one series; with `isFed` false nobody hears of it. */
  write(
    asset: string,
    channel: string,
    points: readonly (readonly [ms: number, value: number | string])[],
    isFed?: boolean,
  ): Promise<void>;
  /** Stops the server and starts another one, with an empty log. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Clients of one machine ask for more here than the program lets one have by default. */
const LIMITS = amountsOf(
  readConfig({
    LIMIT_SUBJECT_REQUESTS_PER_S: '100000',
    LIMIT_SUBJECT_BYTES_PER_S: '100000000000',
    LIMIT_TENANT_REQUESTS_PER_S: '100000',
    LIMIT_TENANT_BYTES_PER_S: '100000000000',
    LIMIT_ADDRESS_REQUESTS_PER_S: '100000',
    LIMIT_SUBJECT_IN_FLIGHT: '1000',
    LIMIT_TENANT_IN_FLIGHT: '1000',
  }),
);

function rowsOf(body: FeedBody, { offset }: Position): Row[] {
  if (body.kind !== 'readings') return [];
  const { timesUs, values } = body;
  return Array.from(body.seriesIds, (seriesId, i) => {
    return { offset, seriesId, t: (timesUs[i] ?? 0) / 1_000, value: values[i] ?? 0 };
  });
}

class Lost extends Error {}

/** Starts the first server, on a database of its own. */
export async function startWorld(): Promise<World> {
  const own = await openTestDatabase();
  const time = { nowMs: Date.UTC(2026, 0, 2, 12) };
  const logs = new Map<string, Row[]>();
  let isFed = true;

  async function start() {
    const ring = createRing({ recordsMax: 10_000, pointsMax: 1_000_000 });
    const { epoch } = await ring.position();
    const rows: Row[] = [];
    logs.set(epoch, rows);
    const feed: Feed = {
      ...ring,
      async append(body) {
        if (!isFed) throw new Lost();
        const position = await ring.append(body);
        for (const row of rowsOf(body, position)) rows.push(row);
        return position;
      },
    };
    const { database } = own;
    const clock = () => time.nowMs;
    const server = await startTestQueryServer({ database, clock, feed, limits: LIMITS });
    return { server, epoch, bearer: await server.token({ ttlS: 360_000 }) };
  }

  let running = await start();
  return {
    time,
    get server() {
      return running.server;
    },
    get url() {
      return running.server.url;
    },
    get bearer() {
      return running.bearer;
    },
    get epoch() {
      return running.epoch;
    },
    rows: (epoch) => logs.get(epoch) ?? [],
    async write(asset, channel, points, fed = true) {
      isFed = fed;
      try {
        await running.server.write(asset, channel, points);
      } catch (thrown) {
        if (!(thrown instanceof Lost)) throw thrown;
      } finally {
        isFed = true;
      }
    },
    async restart() {
      await running.server.stop();
      running = await start();
    },
    async stop() {
      await running.server.stop();
      await own.dispose();
    },
  };
}
