// The newest points themselves, as a table that takes what the feed brings and what the database says, in any order.
import type { ReadingsRecord } from '../lib/feed/feed.ts';

export interface LatestEntry {
  /** µs since 1970 UTC. */
  readonly timeUs: number;
  readonly value: number | string;
  readonly quality: number;
  /** Time of the series' first point. */
  readonly firstUs: number;
}

export interface LatestTable {
  get(seriesId: number): LatestEntry | undefined;
  /** Takes the record at `offset` of the feed. Records come in the feed's order, which is that of commits. */
  apply(record: ReadingsRecord, offset: number): void;
  /** Takes what a snapshot said that was opened after the record at `offset` was in the feed. */
  load(seriesId: number, stored: LatestEntry, offset: number): void;
  /** Another feed began: offsets so far mean nothing. */
  forgetOffsets(): void;
  readonly size: number;
}

interface Kept {
  timeUs: number;
  value: number | string;
  quality: number;
  firstUs: number;
  /** Offset of the record that the point came with; 0 where the database said so. */
  offset: number;
}

/** An empty table for at most `max` series; points of those beyond are given to `leaveOut` only. */
export function createLatestTable(max: number, leaveOut: () => void): LatestTable {
  const entries = new Map<number, Kept>();

  function put(seriesId: number, entry: Kept): void {
    if (entries.size < max || entries.has(seriesId)) entries.set(seriesId, entry);
    else leaveOut();
  }

  return {
    get: (seriesId) => entries.get(seriesId),
    apply({ seriesIds, timesUs, values, qualities }, offset) {
      for (let row = 0; row < seriesIds.length; row++) {
        const seriesId = seriesIds[row]!;
        const timeUs = timesUs[row]!;
        const entry = entries.get(seriesId);
        if (entry === undefined) {
          const [value, quality] = [values[row]!, qualities[row]!];
          put(seriesId, { timeUs, value, quality, firstUs: timeUs, offset });
          continue;
        }
        if (timeUs < entry.firstUs) entry.firstUs = timeUs;
        // At the same time it is a correction, and the last commit wins.
        if (timeUs < entry.timeUs) continue;
        entry.timeUs = timeUs;
        entry.value = values[row]!;
        entry.quality = qualities[row]!;
        entry.offset = offset;
      }
    },
    load(seriesId, stored, offset) {
      const entry = entries.get(seriesId);
      const firstUs = Math.min(stored.firstUs, entry?.firstUs ?? stored.firstUs);
      // What came with a later record was committed after, or is in the snapshot and will be confirmed by the feed.
      if (entry !== undefined && entry.offset > offset && entry.timeUs >= stored.timeUs) {
        entry.firstUs = firstUs;
      } else {
        const { timeUs, value, quality } = stored;
        put(seriesId, { timeUs, value, quality, firstUs, offset: 0 });
      }
    },
    forgetOffsets() {
      for (const entry of entries.values()) entry.offset = 0;
    },
    get size() {
      return entries.size;
    },
  };
}
