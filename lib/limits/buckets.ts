// Buckets of one rate by key: subjects, tenants, addresses. Whoever has a full bucket need not be remembered, so what is
// kept are those who asked lately; where even these are too many, the fullest are forgotten, who lose least by it.
import { afterTaking, type Rate, waitMs } from './bucket.ts';

export interface Buckets {
  readonly rate: Rate;
  /** How long until `tokens` are in the bucket of a key, in ms; 0 where they are there. */
  waitMs(key: string, tokens: number, nowMs: number): number;
  /** Takes tokens from a key's bucket, into debt if need be. */
  take(key: string, tokens: number, nowMs: number): void;
  /** Keys that are remembered. */
  readonly size: number;
}

/** Forgetting takes a sort, so it makes room for this share of all at a time. */
const ROOM_SHARE = 1 / 8;

/** Makes buckets of a rate; `max` keys are remembered at most. */
export function createBuckets(rate: Rate, max: number): Buckets {
  const fullAtMs = new Map<string, number>();

  function makeRoom(nowMs: number): void {
    for (const [key, at] of fullAtMs) if (at <= nowMs) fullAtMs.delete(key);
    const kept = Math.floor(max * (1 - ROOM_SHARE));
    if (fullAtMs.size <= kept) return;
    const fullestFirst = [...fullAtMs].sort(([, a], [, b]) => a - b);
    for (const [key] of fullestFirst.slice(0, fullAtMs.size - kept)) fullAtMs.delete(key);
  }

  return {
    rate,
    waitMs: (key, tokens, nowMs) => waitMs(fullAtMs.get(key) ?? 0, rate, tokens, nowMs),
    take(key, tokens, nowMs) {
      const before = fullAtMs.get(key);
      if (before === undefined && fullAtMs.size >= max) makeRoom(nowMs);
      fullAtMs.set(key, afterTaking(before ?? 0, rate, tokens, nowMs));
    },
    get size() {
      return fullAtMs.size;
    },
  };
}
