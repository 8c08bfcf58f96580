// When a batch is written: as soon as it is full, old, or nothing more comes. Pure, so that the rule can be read here.

export interface FlushLimits {
  /** Readings in one transaction. */
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** How long a reading may wait for others while they keep coming. */
  readonly ageMaxMs: number;
  /** Silence after which nobody is waited for: a broker with a window of 20 sends nothing until it gets its acks. */
  readonly quietMs: number;
  /**
   * Batches that may be under way. More than one only under load: the next is decoded, sorted and encoded while the
   * one before is being committed. What is not full waits instead, and grows.
   */
  readonly batchesMax: number;
}

export const FLUSH_LIMITS: FlushLimits = {
  rowsMax: 20_000,
  bytesMax: 16 * 1024 * 1024,
  ageMaxMs: 50,
  quietMs: 2,
  batchesMax: 3,
};

/**
 * The embedded engine. Nobody reads while it writes: 20,000 rows in a transaction made short reads wait 353 ms at p99
 * under ingest and maintenance, 10,000 make them wait 191 ms. It has one session: a third batch would only wait.
 */
const EMBEDDED_LIMITS: FlushLimits = { ...FLUSH_LIMITS, rowsMax: 10_000, batchesMax: 2 };

/** The limits for a database, with what the configuration says. */
export function flushLimits(
  { embedded }: { readonly embedded: boolean },
  given: { readonly rowsMax?: number | undefined; readonly ageMaxMs?: number | undefined } = {},
): FlushLimits {
  const limits = embedded ? EMBEDDED_LIMITS : FLUSH_LIMITS;
  return {
    ...limits,
    rowsMax: given.rowsMax ?? limits.rowsMax,
    ageMaxMs: given.ageMaxMs ?? limits.ageMaxMs,
  };
}

/** Whether nothing more may be added. */
export function isFull(
  batch: { rows: number; bytes: number },
  { rowsMax, bytesMax }: Pick<FlushLimits, 'rowsMax' | 'bytesMax'>,
): boolean {
  return batch.rows >= rowsMax || batch.bytes >= bytesMax;
}

/** Batches that are under way: all of them, and those of them that are not committed yet. */
export interface UnderWay {
  readonly batches: number;
  readonly uncommitted: number;
}

/**
 * Whether a batch may go now: a full one where there is a place for it, any other when none is uncommitted, so that it
 * grows as long as the database is busy with another. While several tenants send, a full one waits too: what a small
 * tenant sends meanwhile then goes with the very next transaction, instead of the one after it.
 */
export function mayGo(
  { batches, uncommitted }: UnderWay,
  batch: { readonly full: boolean; readonly contended: boolean },
  { batchesMax }: Pick<FlushLimits, 'batchesMax'>,
): boolean {
  if (uncommitted === 0) return batches < Math.max(2, batchesMax);
  return batch.full && !batch.contended && batches < batchesMax;
}

/** Messages in the last two batches. */
export type LastSizes = readonly [number, number];

/**
 * Whether a batch has as many messages as each of the last two: then it is most likely all that its senders may have
 * unacknowledged (mosquitto's window is 20 by default, many a device's is 1), and waiting would only waste time.
 */
export function isWindow(messages: number, [last, beforeLast]: LastSizes): boolean {
  return last > 0 && last === beforeLast && messages >= last;
}

/** Whether a batch that is not full should be written now. */
export function isDue(
  { ageMs, arrivals, arrivalsBefore }: { ageMs: number; arrivals: number; arrivalsBefore: number },
  limits: FlushLimits,
): boolean {
  return ageMs >= limits.ageMaxMs || arrivals === arrivalsBefore;
}

/** What a transaction should take while several tenants send: whoever waits, waits for one or two of them. */
const CONTENDED_MS = 8;
/** Fewer readings cost as much. */
const CONTENDED_ROWS_MIN = 250;

/** Readings in a transaction while several tenants send, by how fast the last ones were committed. */
export function contendedRows(
  rowsPerMs: number,
  { rowsMax }: Pick<FlushLimits, 'rowsMax'>,
): number {
  const rows = Math.round(rowsPerMs * CONTENDED_MS);
  return Math.min(rowsMax, Math.max(CONTENDED_ROWS_MIN, rows));
}
