// The catalogue: every series, in memory, kept up with what this process and others create.
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Feed, FeedRecord } from '../lib/feed/feed.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { insertSeries } from '../sql/statements/insertSeries.ts';
import {
  type SeriesRow,
  selectAllSeries,
  selectSeriesByIds,
} from '../sql/statements/selectSeries.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import type { Series, SeriesIdentity, ValueKind } from './series.ts';
import { createSeriesIndex, labelsKey, type SeriesIndex } from './series-index.ts';

/** 400 bytes each, or so. */
const SERIES_MAX = 500_000;
/** What makes a series unique stands in one index entry, which PostgreSQL bounds at 2,704 bytes. */
const IDENTITY_BYTES_MAX = 2000;
/** A second round is for series that another process created meanwhile; more are never needed. */
const ROUNDS_MAX = 5;
/** Series in one statement: some tens of milliseconds, in which nobody else has the embedded engine. */
const STATEMENT_SERIES_MAX = 2_000;
const UNSTORABLE = /[\0\p{Surrogate}]/u;

export interface WantedSeries extends SeriesIdentity {
  /** Kept for good where the series is new; an existing one keeps its own. */
  readonly kind: ValueKind;
  /** Time of the first reading, µs since 1970 UTC. */
  readonly firstUs: number;
  readonly unit?: string | null;
}

export interface Catalogue {
  /** The series without labels; the hot path. */
  find(tenant: string, asset: string, channel: string): Series | undefined;
  findByIdentity(identity: SeriesIdentity): Series | undefined;
  byId(id: number): Series | undefined;
  /** All series of one asset and channel: the one without labels first, the others by id. */
  named(tenant: string, asset: string, channel: string): readonly Series[];
  /**
   * Creates what is missing, many in one statement, and tells the feed; gives the series of `wanted` in its order. Throws
   * TailraceError `series_limit` (there are as many as may be) or `series_unstorable` (a name too long, or with
   * characters that PostgreSQL's text has not) after creating all others: what `findByIdentity` then does not know is
   * what was refused.
   */
  ensure(wanted: readonly WantedSeries[]): Promise<Series[]>;
  /** Looks ids up that other processes created; gives those that exist. */
  lookUp(ids: readonly number[]): Promise<Series[]>;
  /** Series of one asset, by id. */
  ofAsset(tenant: string, asset: string): readonly Series[];
  /** Series of a tenant, by id; not to be kept. */
  ofTenant(tenant: string): readonly Series[];
  all(): Iterable<Series>;
  /** How many a tenant has. */
  countOf(tenant: string): number;
  readonly size: number;
  stop(): Promise<void>;
}

export interface CatalogueOptions {
  readonly database: Writable;
  readonly feed: Feed;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly seriesMax?: number;
}

/** Loads every series, and follows the feed from before that on. */
export async function openCatalogue(options: CatalogueOptions): Promise<Catalogue> {
  const { database, feed, metrics, log, seriesMax = SERIES_MAX } = options;
  const index = createSeriesIndex();
  const unannounced = new Set<number>();
  let following: Promise<unknown> = Promise.resolve();

  async function loadAll(): Promise<void> {
    const rows = await withClient(database, selectAllSeries);
    for (const row of rows) index.add(seriesOf(row));
  }

  async function lookUp(ids: readonly number[]): Promise<Series[]> {
    const missing = ids.filter((id) => index.byId(id) === undefined);
    if (missing.length > 0) {
      const rows = await withClient(database, (client) => selectSeriesByIds(client, missing));
      for (const row of rows) index.add(seriesOf(row));
    }
    return ids.flatMap((id) => index.byId(id) ?? []);
  }

  async function follow(record: FeedRecord): Promise<void> {
    try {
      if (record.kind === 'series') await lookUp(record.ids);
      else if (record.kind === 'gap') await loadAll();
    } catch (cause) {
      log.warn({ err: cause }, 'series that another process created could not be looked up');
    }
  }

  async function create(pending: Map<string, WantedSeries>): Promise<void> {
    for (let round = 1; pending.size > 0; round++) {
      if (round > ROUNDS_MAX) throw new Error(`series were not created in ${ROUNDS_MAX} rounds`);
      const rows = await withClient(database, (client) =>
        insertSeries(client, [...pending.values()].map(rowOf)),
      );
      for (const row of rows) {
        index.add(seriesOf(row));
        pending.delete(identityKey(row));
        if (row.created) unannounced.add(row.id);
      }
    }
  }

  async function ensure(wanted: readonly WantedSeries[]): Promise<Series[]> {
    const { fresh, refusal } = admit(index, wanted, seriesMax);
    const all = [...fresh];
    for (let start = 0; start < all.length; start += STATEMENT_SERIES_MAX) {
      await create(new Map(all.slice(start, start + STATEMENT_SERIES_MAX)));
    }
    await announce();
    if (refusal !== undefined) throw refusal;
    return wanted.map((identity) => {
      const series = index.findByIdentity(identity);
      if (series === undefined) throw new Error(`not created: ${identityKey(identity)}`);
      return series;
    });
  }

  /** A feed that fails now is told with the next series; other processes look up unknown ids meanwhile. */
  async function announce(): Promise<void> {
    if (unannounced.size === 0) return;
    const ids = [...unannounced];
    for (const id of ids) unannounced.delete(id);
    try {
      await feed.append({ kind: 'series', ids });
    } catch (cause) {
      for (const id of ids) unannounced.add(id);
      log.warn({ reason: messageOf(cause) }, 'new series could not be announced in the feed');
    }
  }

  const unfollow = feed.follow((record) => {
    if (record.kind !== 'series' && record.kind !== 'gap') return;
    following = following.then(() => follow(record));
  });
  await loadAll();
  metrics.bounded('series', () => index.size, seriesMax);

  return {
    find: index.find,
    findByIdentity: index.findByIdentity,
    byId: index.byId,
    named: index.named,
    ensure,
    lookUp,
    ofAsset: index.ofAsset,
    ofTenant: index.ofTenant,
    all: index.all,
    countOf: index.countOf,
    get size() {
      return index.size;
    },
    async stop() {
      unfollow();
      await following;
    },
  };
}

/** Which of `wanted` are to be created, by identity, and why others are not. Pure. */
function admit(index: SeriesIndex, wanted: readonly WantedSeries[], seriesMax: number) {
  const fresh = new Map<string, WantedSeries>();
  let refusal: TailraceError | undefined;
  for (const series of wanted) {
    if (index.findByIdentity(series) !== undefined) continue;
    const key = identityKey(series);
    const before = fresh.get(key);
    if (before !== undefined) {
      if (series.firstUs < before.firstUs) fresh.set(key, { ...before, firstUs: series.firstUs });
    } else if (!isStorable(series, key)) {
      refusal ??= unstorable();
    } else if (index.size + fresh.size >= seriesMax) {
      refusal ??= limitReached(seriesMax);
    } else {
      fresh.set(key, series);
    }
  }
  return { fresh, refusal };
}

function identityKey({ tenant, asset, channel, labels }: SeriesIdentity): string {
  return JSON.stringify([tenant, asset, channel, labelsKey(labels)]);
}

function isStorable(series: WantedSeries, key: string): boolean {
  if (Buffer.byteLength(key) > IDENTITY_BYTES_MAX) return false;
  const { tenant, asset, channel, labels, unit } = series;
  const texts = [tenant, asset, channel, ...Object.entries(labels).flat(), unit ?? ''];
  return !texts.some((text) => UNSTORABLE.test(text));
}

function rowOf({ tenant, asset, channel, labels, unit = null, kind, firstUs }: WantedSeries) {
  return { tenant, asset, channel, labels, unit, kind, first_us: firstUs };
}

function seriesOf(row: SeriesRow): Series {
  const { id, tenant, asset, channel, labels, unit, value_kind: kind, index_kind: index } = row;
  return { id, tenant, asset, channel, labels, unit, kind, index };
}

function unstorable(): TailraceError {
  return new TailraceError(
    'series_unstorable',
    `A series' tenant, asset, channel and labels may take ${IDENTITY_BYTES_MAX} bytes together, and ` +
      'hold neither NUL nor half a surrogate pair.',
  );
}

function limitReached(seriesMax: number): TailraceError {
  return new TailraceError(
    'series_limit',
    `There are ${seriesMax} series already, which is as many as may be: is something in the topic or ` +
      'the labels different in every message?',
  );
}
