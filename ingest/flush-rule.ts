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

/** Whether nothing more may be added. */
export function isFull(batch: { rows: number; bytes: number }, limits: FlushLimits): boolean {
  return batch.rows >= limits.rowsMax || batch.bytes >= limits.bytesMax;
}

/** Whether a batch that is not full should be written now. */
export function isDue(
  { ageMs, arrivals, arrivalsBefore }: { ageMs: number; arrivals: number; arrivalsBefore: number },
  limits: FlushLimits,
): boolean {
  return ageMs >= limits.ageMaxMs || arrivals === arrivalsBefore;
}
