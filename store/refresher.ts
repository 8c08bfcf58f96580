// The refresher keeps rollups up with the readings: it looks every few seconds whether there is anything to do, and
// then runs until there is not.
import type { Clock } from '../lib/clock.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../lib/metrics.ts';
import { pause } from '../lib/pause.ts';
import { compressRollupChunk } from '../sql/statements/compressRollupChunk.ts';
import { lockRefresher, unlockRefresher } from '../sql/statements/lockRefresher.ts';
import { maintainFamilies } from '../sql/statements/maintainFamilies.ts';
import type { MaintainedRollup } from '../sql/statements/selectMaintainedRollups.ts';
import { selectRefreshNeed } from '../sql/statements/selectRefreshNeed.ts';
import { type Client, type Writable, withClient } from '../sql/transaction.ts';
import { DIRTY_RANGES_MAX } from './bound-dirty-ranges.ts';
import { horizonOf } from './refresh-plan.ts';
import { createRefreshRun } from './refresh-run.ts';

const LAG_MS = 60_000;
/** Embedded, everything else waits while a slice is refreshed. */
const SLICE_MAX_MS = { embedded: 100, native: 1000 };
/** How long a run works before it looks what is new: so late data keeps the present waiting for no longer. */
const BUDGET_MS = 5000;
const IDLE_MS = 5000;
/** Chunks of rollups are compressed so long after they were filled: late readings come before, mostly. */
export const COMPRESS_AGE_MS = 7 * 86_400_000;
/**
 * Embedded, compressing holds everybody up and cannot be cut: some 3.5 µs a row, a third of a second for so many bytes.
 * Larger ones stay as they are.
 */
export const COMPRESS_BYTES_MAX = { embedded: 16 * 1024 * 1024, native: null };
/** How often it is looked for one. */
const COMPRESS_LOOK_MS = 60_000;
const FAILED_MS = 30_000;

export interface RefresherOptions {
  readonly database: Writable & { readonly embedded: boolean };
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** How long after its time a reading may come and still not count as late. */
  readonly lagMs?: number;
  /** Families of rollups to keep up; as the database has it where unset. */
  readonly families?: readonly MaintainedRollup['family'][];
  /** How long one refresh should take. */
  readonly sliceMaxMs?: number;
  /** How long a run works before it gives way to the next. */
  readonly budgetMs?: number;
  /** How often it is looked for a chunk to compress. */
  readonly compressLookMs?: number;
}

export interface Refresher extends Part {
  /** Runs from start to end, after the run that is under way; rejects where that fails. */
  refreshNow(): Promise<void>;
}

/** Starts refreshing whenever there is something to refresh. */
export function startRefresher(options: RefresherOptions): Refresher {
  const { database, log, metrics, clock, lagMs = LAG_MS, budgetMs = BUDGET_MS } = options;
  const { compressLookMs = COMPRESS_LOOK_MS } = options;
  const { sliceMaxMs = SLICE_MAX_MS[database.embedded ? 'embedded' : 'native'] } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const meters = createMeters(metrics, clock);
  const chooseFamilies = createFamilyChoice(options);
  let turn: Promise<unknown> = Promise.resolve();
  const run = createRefreshRun({
    database,
    sliceMaxMs,
    budgetMs,
    signal,
    onSlice({ rollup, cause, rows, tookMs }) {
      meters.seconds.observe({ rollup }, tookMs / 1000);
      meters.rows.inc({ cause }, rows);
    },
  });

  /** Whether there is anything to do; also what the metrics show. */
  async function isNeeded(): Promise<boolean> {
    const need = await withClient(database, (client) =>
      selectRefreshNeed(client, 2 * DIRTY_RANGES_MAX),
    );
    meters.seen.dirty = need.dirty;
    meters.seen.oldestAgeS = need.oldestAgeS;
    const { bucketUs, materialisedBeforeUs } = need;
    if (bucketUs === undefined || materialisedBeforeUs === undefined) return false;
    meters.seen.dueMs = (materialisedBeforeUs + bucketUs) / 1000 + lagMs;
    const horizonUs = horizonOf(clock() * 1000, lagMs * 1000, bucketUs);
    return need.dirty > 0 || horizonUs > materialisedBeforeUs;
  }

  async function runAll(): Promise<void> {
    await chooseFamilies();
    while (!signal.aborted && (await run(clock() * 1000, lagMs * 1000))) await isNeeded();
    if (!signal.aborted) await isNeeded();
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  }

  let nextCompressMs = performance.now() + compressLookMs;

  /** One chunk at most: then it is looked again for what is new. */
  async function compressOld(): Promise<void> {
    if (performance.now() < nextCompressMs || signal.aborted) return;
    const bytesMax = COMPRESS_BYTES_MAX[database.embedded ? 'embedded' : 'native'];
    let found = false;
    try {
      found = await withClient(database, (client) => compressOne(client, bytesMax));
    } catch (cause) {
      log.error(
        { err: cause, retryMs: compressLookMs },
        'an old chunk of a rollup could not be compressed',
      );
    }
    if (!found) nextCompressMs = performance.now() + compressLookMs;
  }

  async function keepUp(): Promise<void> {
    while (!signal.aborted) {
      let waitMs = IDLE_MS;
      try {
        await inTurn(async () => {
          await chooseFamilies();
          if (await isNeeded()) await runAll();
          await compressOld();
        });
      } catch (cause) {
        waitMs = FAILED_MS;
        log.error({ err: cause, retryMs: waitMs }, 'rollups could not be refreshed');
      }
      await pause(waitMs, signal);
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

/** Makes the function that says once which families are kept up: a process that starts later may say otherwise. */
function createFamilyChoice({ database, log, families }: RefresherOptions) {
  let wanted = families;
  return async (): Promise<void> => {
    if (wanted === undefined) return;
    const names = wanted;
    const changed = await withClient(database, (client) => maintainFamilies(client, names));
    wanted = undefined;
    for (const { name, maintained } of changed) {
      log.info({ rollup: name }, maintained ? 'rollup is kept up from now on' : 'rollup is left');
    }
  };
}

/** As the refresher, so that no refresh of another process waits for the chunk's locks. Says whether there was one. */
async function compressOne(client: Client, bytesMax: number | null): Promise<boolean> {
  if (!(await lockRefresher(client))) return false;
  try {
    return await compressRollupChunk(client, COMPRESS_AGE_MS, bytesMax);
  } finally {
    await unlockRefresher(client).catch(() => undefined);
  }
}

function createMeters(metrics: Metrics, clock: Clock) {
  const seen = { dirty: 0, oldestAgeS: 0, dueMs: Number.NEGATIVE_INFINITY };
  metrics.bounded('dirty_ranges', () => seen.dirty, DIRTY_RANGES_MAX);
  metrics.gauge(
    'tailrace_dirty_ranges_oldest_seconds',
    'for how long the oldest dirty range has been waiting',
    () => seen.oldestAgeS,
  );
  metrics.gauge(
    'tailrace_refresh_lag_seconds',
    'for how long the oldest bucket of the finest rollup has been due and not made',
    () => (Number.isFinite(seen.dueMs) ? Math.max(0, clock() - seen.dueMs) / 1000 : 0),
  );
  return {
    seen,
    seconds: metrics.histogram(
      'tailrace_refresh_seconds',
      'time of one refresh of a slice of a rollup',
      DURATION_BUCKETS_S,
      ['rollup'],
    ),
    rows: metrics.counter(
      'tailrace_refresh_rows_total',
      'rows of rollups that were made for the first time (fresh) or again for late readings (late)',
      ['cause'],
    ),
  };
}
