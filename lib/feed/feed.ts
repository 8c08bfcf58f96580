// The feed: a bounded log of what was committed, which tails and caches follow. Ring in memory, or a Redis Stream.

/** A place in the feed. Offsets grow by one a record; another epoch is another log, where offsets mean nothing. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Committed points, column by column, in commit order. A state's value is a string. */
export interface ReadingsRecord {
  readonly kind: 'readings';
  readonly seriesIds: readonly number[] | Int32Array;
  /** µs since 1970 UTC. */
  readonly timesUs: readonly number[] | Float64Array;
  readonly values: readonly (number | string)[] | Float64Array;
  readonly qualities: readonly number[] | Int16Array;
}

export type FeedBody =
  | ReadingsRecord
  /** Series that were created; `ids` are to be looked up in the catalogue. */
  | { readonly kind: 'series'; readonly ids: readonly number[] }
  /** Committed points may be missing here: recover from the database. */
  | { readonly kind: 'gap' }
  /** Another policy bundle is in force. */
  | { readonly kind: 'bundle'; readonly revision: string }
  /** A tenant's tokens of one subject that were issued until then, or one token by its id, are over; ms since 1970. */
  | {
      readonly kind: 'revoked';
      readonly tenant: string;
      readonly subject?: string;
      readonly tokenId?: string;
      readonly revokedAtMs: number;
      readonly expiresAtMs?: number;
    };

export type FeedRecord = FeedBody & { readonly position: Position };

/** Records after a position, or the news that they are no longer (or were never) in this log. */
export type FeedRead =
  | { readonly recovered: true; readonly records: readonly FeedRecord[] }
  | { readonly recovered: false };

export interface Feed {
  readonly name: string;
  /**
   * Appends after COMMIT; resolves when followers can see the record.
   * @throws TailraceError `feed_unavailable` where the log takes nothing: of points and series it is in the gap account
   * then, and a `gap` comes before any other record. `stopped`. What the gap account throws: then nothing is certain.
   */
  append(body: FeedBody): Promise<Position>;
  /**
   * The position of the newest record: what was appended before the call is at or before it. Where the log cannot be
   * asked, up to where followers were told; what was appended after that comes to them, or a gap.
   */
  position(): Promise<Position>;
  /** Everything after `since` that is in the log at the time of the call. */
  readAfter(since: Position): Promise<FeedRead>;
  /** Calls `listener` with every record appended after this call, in order. Gives back the way to end it. */
  follow(listener: (record: FeedRecord) => void): () => void;
  stop(): Promise<void>;
}

/** Where it is kept, outside of the log, that the log misses something. */
export interface GapAccount {
  /**
   * This process could not append what is committed. Resolves when that is kept, and those who `watch` will hear of it,
   * in other processes, too. Rejects where it cannot be kept.
   */
  owe(): Promise<void>;
  /** All that this process owed is behind a gap in the log. Never rejects. */
  settle(): Promise<void>;
  /** Whether anybody is known to owe the log a gap: it cannot be told what is missing meanwhile. */
  readonly isOwed: boolean;
  /** Calls `listener` when something more is missing. Gives back the way to end it. */
  watch(listener: () => void): () => void;
}

/** A position as clients carry it: opaque, URL-safe. */
export function encodeCursor(position: Position): string {
  return `${position.epoch}.${position.offset.toString(36)}`;
}

/** Reads a cursor; undefined for anything that `encodeCursor` did not make. */
export function decodeCursor(text: string): Position | undefined {
  const parts = /^([A-Za-z0-9_-]{1,64})\.([0-9a-z]{1,11})$/.exec(text);
  if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
  const offset = Number.parseInt(parts[2], 36);
  return Number.isSafeInteger(offset) ? { epoch: parts[1], offset } : undefined;
}
