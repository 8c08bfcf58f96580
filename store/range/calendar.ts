// Days, weeks and months of a time zone as edges of buckets. Their lengths vary: a day has 23 or 25 hours where a clock
// changes, and begins at 00:30 or 01:00 where there is no midnight.
import { Temporal } from 'temporal-polyfill';
import type { CalendarUnits } from './step.ts';

/** Units in a bucket, and the time zone whose they are: a name of IANA's, or an offset such as +05:30. */
export interface CalendarStep extends CalendarUnits {
  readonly zone: string;
}

const DAY_MS = 86_400_000;
/** Days are counted from 1970-01-01, months from January 1970, weeks from the Monday after. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
/** As lengths go: for estimates, and to choose how edges are found. */
const UNIT_MS = { day: DAY_MS, week: 7 * DAY_MS, month: 30.436875 * DAY_MS } as const;

/**
 * Clocks are followed between these times. There are no readings before, and nobody knows the rules after; a domain of
 * ten thousand years would be two seconds of looking for changes of a clock.
 */
const FOLLOWED_FROM_MS = 0;
const FOLLOWED_UNTIL_MS = Date.UTC(2100, 0, 1);

/** With longer buckets each edge is looked for by itself: there are more changes of a clock than edges. */
const SPARSE_MS = 60 * DAY_MS;

const inZone = (zone: string, ms: number) =>
  Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
const offsetMs = (zone: string, ms: number) =>
  Math.floor(inZone(zone, followed(ms)).offsetNanoseconds / 1e6);

function followed(ms: number): number {
  return Math.min(FOLLOWED_UNTIL_MS, Math.max(FOLLOWED_FROM_MS, Math.floor(ms)));
}

/** Whether there is such a time zone. */
export function isTimeZone(text: string): boolean {
  // Temporal would read the zone out of a whole date and time as well.
  if (!/^(?:[A-Za-z][\w+\-/]{0,63}|[+-]\d\d(?::?\d\d)?)$/.test(text)) return false;
  try {
    inZone(text, 0);
    return true;
  } catch {
    return false;
  }
}

/** About how many buckets touch a span, without looking for their edges. */
export function estimateBuckets({ unit, count }: CalendarUnits, spanUs: number): number {
  return Math.floor(spanUs / 1000 / (UNIT_MS[unit] * count));
}

/** The date at which bucket `index` begins, as ms of a clock that stands on UTC. */
function localStartMs({ unit, count }: CalendarUnits, index: number): number {
  switch (unit) {
    case 'day':
      return index * count * DAY_MS;
    case 'week':
      return FIRST_MONDAY_MS + index * count * 7 * DAY_MS;
    case 'month':
      return Date.UTC(1970, index * count);
  }
}

/** The bucket of a local time. */
function indexOf({ unit, count }: CalendarUnits, localMs: number): number {
  const date = new Date(localMs);
  const units = {
    day: () => localMs / DAY_MS,
    week: () => (localMs - FIRST_MONDAY_MS) / (7 * DAY_MS),
    month: () => (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth(),
  };
  return Math.floor(Math.floor(units[unit]()) / count);
}

/** A time over which a clock has one offset. */
interface Stretch {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly offsetMs: number;
}

/** The stretch that begins at or holds `ms`; the last one that is followed has no end. */
function stretchAt(zone: string, ms: number): Stretch {
  const next = inZone(zone, ms).getTimeZoneTransition('next')?.epochMilliseconds;
  const untilMs = next === undefined || next >= FOLLOWED_UNTIL_MS ? Number.POSITIVE_INFINITY : next;
  return { fromMs: ms, untilMs, offsetMs: offsetMs(zone, ms) };
}

/** Gives the first moment at which the clock shows a local time or a later one, for local times that rise. */
function clockFinder(zone: string, firstLocalMs: number, sparse: boolean): (ms: number) => number {
  const before = offsetMs(zone, FOLLOWED_FROM_MS);
  const after = offsetMs(zone, FOLLOWED_UNTIL_MS);
  let stretch: Stretch | undefined;
  return (localMs) => {
    if (localMs < FOLLOWED_FROM_MS) return localMs - before;
    if (localMs >= FOLLOWED_UNTIL_MS) return localMs - after;
    if (sparse) {
      const date = new Date(localMs).toISOString().slice(0, 10);
      return Temporal.PlainDate.from(date).toZonedDateTime(zone).epochMilliseconds;
    }
    // No clock is further than a day from UTC.
    stretch ??= stretchAt(zone, Math.max(FOLLOWED_FROM_MS, firstLocalMs) - 2 * DAY_MS);
    while (localMs - stretch.offsetMs >= stretch.untilMs)
      stretch = stretchAt(zone, stretch.untilMs);
    return Math.max(stretch.fromMs, localMs - stretch.offsetMs);
  };
}

/**
 * Edges, in µs since 1970 UTC and rising, of the buckets that touch [startUs, endUs); a bucket that a zone has skipped
 * (a day at the date line) is left out. Finding them takes up to a tenth of a second, and as long as they are many:
 * `estimateBuckets` says so before.
 */
export function calendarEdges(step: CalendarStep, startUs: number, endUs: number): Float64Array {
  const startMs = Math.floor(startUs / 1000);
  const first = indexOf(step, startMs + offsetMs(step.zone, startMs));
  const sparse = UNIT_MS[step.unit] * step.count > SPARSE_MS;
  const find = clockFinder(step.zone, localStartMs(step, first), sparse);
  const edges: number[] = [];
  for (let index = first; ; index++) {
    const edge = find(localStartMs(step, index)) * 1000;
    // Where a clock goes back over midnight, a time may be in the day before and yet after the next one's beginning.
    if (edge <= startUs) edges.pop();
    if (edge !== edges.at(-1)) edges.push(edge);
    if (edge >= endUs && edges.length > 1) return Float64Array.from(edges);
  }
}

/** Whether a zone's clock changes in [startUs, endUs), or within a year of it: then its days are not all of one length. */
export function clockChanges(zone: string, startUs: number, endUs: number): boolean {
  const from = inZone(zone, followed(startUs / 1000 - 365 * DAY_MS));
  const next = from.getTimeZoneTransition('next');
  return next !== null && next.epochMilliseconds < followed(endUs / 1000 + 365 * DAY_MS);
}
