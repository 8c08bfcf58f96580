// The refresher keeps rollups up with the readings: it looks every few seconds whether there is anything to do, and
// then runs until there is not.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../lib/metrics.ts';
import { selectRefreshNeed } from '../sql/statements/selectRefreshNeed.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import { horizonOf } from './refresh-plan.ts';
import { createRefreshRun } from './refresh-run.ts';

/** Dirty ranges are counted no further than this. */
const DIRTY_COUNT_MAX = 100_000;
const LAG_MS = 60_000;
/** Embedded, everything else waits while a slice is refreshed. */
const SLICE_MAX_MS = { embedded: 100, native: 1000 };
const IDLE_MS = 5000;
const FAILED_MS = 30_000;

export interface RefresherOptions {
  readonly database: Writable & { readonly embedded: boolean };
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** How long after its time a reading may come and still not count as late. */
  readonly lagMs?: number;
  /** How long one refresh should take. */
  readonly sliceMaxMs?: number;
}

export interface Refresher extends Part {
  /** Runs from start to end, after the run that is under way; rejects where that fails. */
  refreshNow(): Promise<void>;
}

/** Starts refreshing whenever there is something to refresh. */
export function startRefresher(options: RefresherOptions): Refresher {
  const { database, log, metrics, clock, lagMs = LAG_MS } = options;
  const { sliceMaxMs = SLICE_MAX_MS[database.embedded ? 'embedded' : 'native'] } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const seen = { dirty: 0, behindUs: 0 };
  let turn: Promise<unknown> = Promise.resolve();
  const seconds = metrics.histogram(
    'tailrace_refresh_seconds',
    'time of one refresh of a slice of a rollup',
    DURATION_BUCKETS_S,
    ['rollup'],
  );
  metrics.bounded('dirty_ranges', () => seen.dirty, DIRTY_COUNT_MAX);
  metrics.gauge(
    'tailrace_refresh_lag_seconds',
    'how far the finest rollup is behind the present',
    () => seen.behindUs / 1e6,
  );
  const run = createRefreshRun({
    database,
    sliceMaxMs,
    signal,
    onSlice: (rollup, tookMs) => seconds.observe({ rollup }, tookMs / 1000),
  });

  /** Whether there is anything to do; also what the metrics show. */
  async function isNeeded(): Promise<boolean> {
    const need = await withClient(database, (client) => selectRefreshNeed(client, DIRTY_COUNT_MAX));
    seen.dirty = need.dirty;
    const { bucketUs, materialisedBeforeUs } = need;
    if (bucketUs === undefined || materialisedBeforeUs === undefined) return false;
    const nowUs = clock() * 1000;
    seen.behindUs = Number.isFinite(materialisedBeforeUs) ? nowUs - materialisedBeforeUs : 0;
    return need.dirty > 0 || horizonOf(nowUs, lagMs * 1000, bucketUs) > materialisedBeforeUs;
  }

  async function runAll(): Promise<void> {
    while (!signal.aborted && (await run(clock() * 1000, lagMs * 1000))) {
      // More was dirty than is claimed at once.
    }
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  }

  async function keepUp(): Promise<void> {
    while (!signal.aborted) {
      let waitMs = IDLE_MS;
      try {
        await inTurn(async () => {
          if (await isNeeded()) await runAll();
        });
      } catch (cause) {
        waitMs = FAILED_MS;
        log.error({ err: cause, retryMs: waitMs }, 'rollups could not be refreshed');
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  const keeping = keepUp();
  return {
    name: 'refresher',
    refreshNow: () => inTurn(runAll),
    async stop() {
      stopping.abort();
      await keeping;
      await turn;
    },
  };
}
