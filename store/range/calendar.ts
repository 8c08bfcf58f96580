// Days, weeks and months of a time zone as edges of buckets. Their lengths vary: a day has 23 or 25 hours where a clock
// changes, and begins at 00:30 or 01:00 where there is no midnight.
import { Temporal } from 'temporal-polyfill';
import type { CalendarUnits } from './step.ts';

/** Units in a bucket, and the IANA name of the time zone whose they are. */
export interface CalendarStep extends CalendarUnits {
  readonly zone: string;
}

/** Days are counted from 1970-01-01, months from January 1970, weeks from the Monday after. */
const FIRST_DAY = Temporal.PlainDate.from('1970-01-01');
const FIRST_MONDAY = Temporal.PlainDate.from('1970-01-05');

type Units = { readonly [unit in CalendarStep['unit']]: 'days' | 'weeks' | 'months' };
const UNITS: Units = { day: 'days', week: 'weeks', month: 'months' };

function startOfUs(date: Temporal.PlainDate, zone: string): number {
  return date.toZonedDateTime(zone).epochMilliseconds * 1000;
}

function dateOf(timeUs: number, zone: string): Temporal.PlainDate {
  const instant = Temporal.Instant.fromEpochMilliseconds(Math.floor(timeUs / 1000));
  return instant.toZonedDateTimeISO(zone).toPlainDate();
}

/** The date at which bucket `index` begins. */
function dateAt({ unit, count }: CalendarStep, index: number): Temporal.PlainDate {
  const first = unit === 'week' ? FIRST_MONDAY : FIRST_DAY;
  return first.add({ [UNITS[unit]]: index * count });
}

/** The bucket that a date belongs to. */
function indexOf({ unit, count }: CalendarStep, date: Temporal.PlainDate): number {
  const units = {
    day: () => FIRST_DAY.until(date, { largestUnit: 'days' }).days,
    week: () => Math.floor(FIRST_MONDAY.until(date, { largestUnit: 'days' }).days / 7),
    month: () => (date.year - 1970) * 12 + date.month - 1,
  };
  return Math.floor(units[unit]() / count);
}

/**
 * Edges, in µs since 1970 UTC and rising, of the buckets that touch [startUs, endUs); a bucket that a zone has skipped
 * (a day at the date line) is left out.
 */
export function calendarEdges(step: CalendarStep, startUs: number, endUs: number): Float64Array {
  const edges: number[] = [];
  for (let index = indexOf(step, dateOf(startUs, step.zone)); ; index++) {
    const edge = startOfUs(dateAt(step, index), step.zone);
    if (edge !== edges.at(-1)) edges.push(edge);
    if (edge >= endUs) return Float64Array.from(edges);
  }
}

/** Whether a zone's clock changes in [startUs, endUs), or within a year of it: then its days are not all of one length. */
export function clockChanges(zone: string, startUs: number, endUs: number): boolean {
  const first = Temporal.Instant.fromEpochMilliseconds(Math.floor(startUs / 1000));
  const from = first.toZonedDateTimeISO(zone).subtract({ years: 1 });
  const last = Temporal.Instant.fromEpochMilliseconds(Math.ceil(endUs / 1000));
  const until = last.toZonedDateTimeISO(zone).add({ years: 1 });
  const next = from.getTimeZoneTransition('next');
  return next !== null && Temporal.ZonedDateTime.compare(next, until) < 0;
}
