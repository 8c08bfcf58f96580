// The newest point of every series, in memory: filled from the database once, and then followed along the feed.
// Searching the newest points of many series in a database is slow; keeping them is not.
import type { Feed, FeedRecord, Position } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { type Readable, readSnapshot } from '../sql/snapshot.ts';
import { selectLatestReadings } from '../sql/statements/selectLatestReadings.ts';
import type { Catalogue } from './catalogue.ts';
import { createLatestTable, type LatestEntry, type LatestTable } from './latest-table.ts';
import type { Series } from './series.ts';

export interface Latest extends Part {
  /** The newest point of a series, and the time of its first; undefined where it has none. As it is now: it moves on. */
  of(seriesId: number): LatestEntry | undefined;
  /** Everything up to here is in what `of` gives. */
  position(): Position;
  /**
   * Resolves once everything that was in the feed at the time of the call is in. With a feed in memory that is so
   * already; one that comes over a network lags behind.
   */
  caughtUp(): Promise<void>;
}

export interface LatestOptions {
  readonly database: Readable;
  readonly feed: Feed;
  readonly catalogue: Pick<Catalogue, 'all'>;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Most series that are kept; those beyond are left out and counted. */
  readonly seriesMax?: number;
}

/** 150 bytes each, or so. */
const SERIES_MAX = 1_000_000;

/** Series of one snapshot: embedded, it has the session to itself for at most some 200 ms. */
const FILL_SERIES_MAX = 200;

/** Fills from the database and follows the feed from before that on. */
export async function openLatest(options: LatestOptions): Promise<Latest> {
  const { database, feed, catalogue, metrics, log, seriesMax = SERIES_MAX } = options;
  const leftOut = metrics.counter(
    'tailrace_latest_left_out_total',
    'points of series beyond those whose newest point is kept',
  );
  const table = createLatestTable(seriesMax, () => leftOut.inc());
  const progress = createProgress();
  let refilling: Promise<void> = Promise.resolve();

  async function refill(offset: number): Promise<void> {
    try {
      await fill(database, catalogue, table, offset);
    } catch (cause) {
      log.error({ err: cause }, 'newest points could not be read again after a gap in the feed');
    }
    progress.release();
  }

  // Followed before the position is taken, and that before the database is read: no record falls between.
  const unfollow = feed.follow((record: FeedRecord) => {
    const { epoch, offset } = record.position;
    const restarted = progress.seen !== undefined && progress.seen.epoch !== epoch;
    if (restarted) table.forgetOffsets();
    if (record.kind === 'readings') table.apply(record, offset);
    if (record.kind === 'gap' || restarted) {
      progress.hold();
      refilling = refilling.then(() => refill(offset));
    }
    progress.see(record.position);
  });
  metrics.bounded('latest', () => table.size, seriesMax);
  progress.hold();
  const start = await feed.position();
  if (progress.seen === undefined) progress.see(start);
  try {
    await fill(database, catalogue, table, 0);
  } catch (cause) {
    unfollow();
    throw cause;
  }
  progress.release();

  return {
    name: 'latest values',
    of: (seriesId) => table.get(seriesId),
    position: () => progress.exact ?? start,
    caughtUp: async () => progress.reach(await feed.position()),
    async stop() {
      unfollow();
      await refilling;
      progress.end();
    },
  };
}

/** How far the table has come: up to `exact` it is complete; while something holds, `exact` stands still. */
function createProgress() {
  const waiting = new Set<() => void>();
  let seen: Position | undefined;
  let exact: Position | undefined;
  let holds = 0;
  let ended = false;

  function wakeAll(): void {
    const woken = [...waiting];
    waiting.clear();
    for (const wake of woken) wake();
  }
  function advance(): void {
    if (holds > 0) return;
    exact = seen;
    wakeAll();
  }

  return {
    get seen() {
      return seen;
    },
    get exact() {
      return exact;
    },
    see(position: Position) {
      // A feed over a network may still bring records that were in it when its position was asked for.
      const behind = seen?.epoch === position.epoch && seen.offset > position.offset;
      if (!behind) seen = position;
      advance();
    },
    hold() {
      holds += 1;
    },
    release() {
      holds -= 1;
      advance();
    },
    /** Resolves once `exact` is at `target` or after it, or at the end. */
    async reach({ epoch, offset }: Position) {
      while (!ended && (exact?.epoch !== epoch || exact.offset < offset)) {
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    end() {
      ended = true;
      wakeAll();
    },
  };
}

/** Reads the newest point of every series; `offset` is of a record that is certainly in what is read. */
async function fill(
  database: Readable,
  catalogue: LatestOptions['catalogue'],
  table: LatestTable,
  offset: number,
): Promise<void> {
  for (const { kind, ids } of slices(catalogue.all())) {
    const rows = await readSnapshot(database, (snapshot) =>
      selectLatestReadings(snapshot, kind, ids),
    );
    for (const { seriesId, ...stored } of rows) table.load(seriesId, stored, offset);
  }
}

/** Ids of one kind each, in slices. */
function* slices(all: Iterable<Series>): Generator<{ kind: Series['kind']; ids: number[] }> {
  const open: Record<Series['kind'], number[]> = { number: [], state: [] };
  for (const { id, kind, index } of [...all]) {
    if (index !== 'time') continue;
    open[kind].push(id);
    if (open[kind].length < FILL_SERIES_MAX) continue;
    yield { kind, ids: open[kind] };
    open[kind] = [];
  }
  for (const kind of ['number', 'state'] as const) {
    if (open[kind].length > 0) yield { kind, ids: open[kind] };
  }
}
