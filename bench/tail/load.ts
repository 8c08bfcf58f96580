// The load of live tails as every server under measure has it: which series a record carries, who is subscribed to which,
// and the pace. Frames carry the time of publishing as the reading's time.
import { setTimeout as sleep } from 'node:timers/promises';

/** `one`: every subscriber follows every series. `many`: each follows a set of its own. */
export type Pattern = 'one' | 'many';

export interface Shape {
  readonly pattern: Pattern;
  readonly subscribers: number;
  /** In each record of the feed: what one COMMIT brought. */
  readonly readings: number;
}

/** One run of it. */
export interface Load {
  readonly records: number;
  readonly recordsPerS: number;
}

/** What a record is made of comes again after so many: a ceiling can then have its frames ready. */
export const KINDS = 50;
const SERIES_OF_ONE = 20;
/** Of each subscriber's own set. */
const SET_SERIES = 4;
/** A prime that shares no factor with any number of series here: a record's series lie far apart. */
const STRIDE = 7_919;
const TICK_MS = 5;
/** Records of one turn of the loop at most, also when it is late. */
const BURST_MAX = 100;

/** How many series there are; their indexes are 0 up. */
function seriesCount({ pattern, subscribers }: Shape): number {
  return pattern === 'one' ? SERIES_OF_ONE : subscribers;
}

/** Indexes of the series that a subscriber follows: of no two the same where each has its own. */
export function setOf(shape: Shape, subscriber: number): number[] {
  const count = seriesCount(shape);
  if (shape.pattern === 'one') return Array.from({ length: count }, (_, index) => index);
  return Array.from({ length: SET_SERIES }, (_, index) => (subscriber + index) % count);
}

/** Indexes of the series with a reading in the records of a kind. */
export function seriesOf(shape: Shape, kind: number): number[] {
  const first = kind * shape.readings;
  const count = seriesCount(shape);
  return Array.from({ length: shape.readings }, (_, index) => ((first + index) * STRIDE) % count);
}

/** How many subscribers a record reaches. */
export function framesOf(shape: Shape): number {
  const { pattern, subscribers, readings } = shape;
  return pattern === 'one' ? subscribers : Math.min(subscribers, readings * SET_SERIES);
}

/** Publishes records evenly; resolves when the last one is handed over. */
export async function pace(
  { records, recordsPerS }: Load,
  publish: (kind: number) => unknown,
): Promise<void> {
  const startMs = performance.now();
  for (let sent = 0; sent < records; ) {
    const due = Math.ceil(((performance.now() - startMs) * recordsPerS) / 1_000);
    const end = Math.min(records, due, sent + BURST_MAX);
    for (; sent < end; sent++) await publish(sent % KINDS);
    await sleep(TICK_MS);
  }
}
