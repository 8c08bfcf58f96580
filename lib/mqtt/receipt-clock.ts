// The time of receipt, for readings that carry no time of their own.
import type { Clock } from '../clock.ts';

/**
 * Makes a clock in µs since 1970 UTC that never gives a time twice. Two readings of one series in the same millisecond
 * would otherwise become one row.
 */
export function createReceiptClock(clock: Clock): () => number {
  let lastUs = 0;
  return () => {
    lastUs = Math.max(clock() * 1000, lastUs + 1);
    return lastUs;
  };
}
