// When a batch is written: as soon as it is full, old, or nothing more comes. Pure, so that the rule can be read here.

export interface FlushLimits {
  /** Readings in one transaction. */
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** How long a reading may wait for others while they keep coming. */
  readonly ageMaxMs: number;
  /** Silence after which nobody is waited for: a broker with a window of 20 sends nothing until it gets its acks. */
  readonly quietMs: number;
}

export const FLUSH_LIMITS: FlushLimits = {
  rowsMax: 20_000,
  bytesMax: 16 * 1024 * 1024,
  ageMaxMs: 50,
  quietMs: 2,
};

/**
 * Rows of one transaction on the embedded engine, where nobody reads meanwhile: 20,000 made short reads wait 353 ms at
 * p99 under ingest and maintenance, 10,000 make them wait 191 ms.
 */
const EMBEDDED_ROWS_MAX = 10_000;

/** The limits for a database. */
export function flushLimits({ embedded }: { readonly embedded: boolean }): FlushLimits {
  return embedded ? { ...FLUSH_LIMITS, rowsMax: EMBEDDED_ROWS_MAX } : FLUSH_LIMITS;
}

/** Whether nothing more may be added. */
export function isFull(batch: { rows: number; bytes: number }, limits: FlushLimits): boolean {
  return batch.rows >= limits.rowsMax || batch.bytes >= limits.bytesMax;
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
