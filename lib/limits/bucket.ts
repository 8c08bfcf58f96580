// Token buckets as arithmetic. A bucket holds `burst` tokens and gets `perS` more each second; it may go into debt. All
// that has to be kept of one is when it will be full again, in ms: 0, or any time that is past, is a full bucket. (This
// is the generic cell rate algorithm of ITU-T I.371, which ATM switches police their links by.)

export interface Rate {
  readonly perS: number;
  /** Most tokens that a bucket holds: what may come at one moment. */
  readonly burst: number;
}

/** What rounding may add to a wait, in ms. */
const ROUNDING_MS = 1e-6;

/** Tokens in the bucket; less than 0 where it is in debt. */
export function tokensAt(fullAtMs: number, { perS, burst }: Rate, nowMs: number): number {
  return burst - (Math.max(0, fullAtMs - nowMs) / 1_000) * perS;
}

/** When the bucket will be full again once `tokens` are taken from it, whether they are there or not. */
export function afterTaking(
  fullAtMs: number,
  { perS }: Rate,
  tokens: number,
  nowMs: number,
): number {
  return Math.max(fullAtMs, nowMs) + (tokens / perS) * 1_000;
}

/**
 * How long until `tokens` are in the bucket, in ms; 0 where they are there. Of 0 tokens: how long it is in debt.
 * More tokens than it holds when full are taken to be as many as it holds.
 */
export function waitMs(
  fullAtMs: number,
  { perS, burst }: Rate,
  tokens: number,
  nowMs: number,
): number {
  const spareMs = ((burst - Math.min(tokens, burst)) / perS) * 1_000;
  const wait = fullAtMs - nowMs - spareMs;
  return wait > ROUNDING_MS ? wait : 0;
}
