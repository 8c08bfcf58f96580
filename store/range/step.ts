// How a domain is cut into buckets: which step, and where its buckets start. Pure arithmetic on µs since 1970 UTC.
import { TailraceError } from '../../lib/errors.ts';

/** Buckets start at `originUs` plus whole multiples of `stepUs`. */
export interface Step {
  readonly stepUs: number;
  readonly originUs: number;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** For the policy and the cost of a request only. */
const MONTH_MS = 30 * DAY_MS;

/** Monday 1970-01-05, from which weeks are counted. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** A step of a hundred years is a single bucket for anybody. */
export const STEP_MAX_MS = 36_525 * DAY_MS;

/** Steps below a day that `width` chooses from; from a day on it is whole days. */
const LADDER_MS: readonly number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 20, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
];

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: WEEK_MS,
};

/** The largest step that gives at least `pixels` buckets over the span, and 1 ms where none does. In ms. */
export function stepForWidth(spanUs: number, pixels: number): number {
  const limitMs = spanUs / 1000 / pixels;
  if (limitMs >= DAY_MS) return Math.floor(limitMs / DAY_MS) * DAY_MS;
  return LADDER_MS.findLast((stepMs) => stepMs <= limitMs) ?? 1;
}

/** What a calendar counts, and in which time zones are not of one length. */
export interface CalendarUnits {
  readonly unit: 'day' | 'week' | 'month';
  readonly count: number;
}

export interface ParsedStep {
  /** Of a month 30 days: it has no length of its own. */
  readonly stepMs: number;
  readonly originMs: number;
  /** Whole days, weeks or months, however they are written; a year is twelve months. */
  readonly calendar: CalendarUnits | undefined;
}

/**
 * Reads a step as users write it: `250ms`, `30s`, `1h`, `1d`, `1w`, `1mo`, `1y`, or Prometheus' compound form `1h30m`.
 * Days are counted from 1970-01-01, weeks from Monday 1970-01-05, months from January 1970.
 *
 * @throws {TailraceError} `bad_parameter` with the detail `parameter: 'step'`
 */
export function parseStep(text: string): ParsedStep {
  const refuse = (why: string) =>
    new TailraceError('bad_parameter', `step ${why}`, { details: { parameter: 'step' } });
  const calendar = calendarOf(text);
  if (calendar?.unit === 'month') {
    const stepMs = calendar.count * MONTH_MS;
    if (stepMs < MONTH_MS || stepMs > STEP_MAX_MS) throw refuse('is at least 1mo and at most 100y');
    return { stepMs, originMs: 0, calendar };
  }
  const parts = [...text.matchAll(/(\d{1,15})(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) {
    throw refuse('is a whole number and a unit: 250ms, 30s, 5m, 1h, 1d, 1w or 1mo');
  }
  const stepMs = parts.reduce((sum, part) => sum + Number(part[1]) * UNIT_MS[part[2] ?? '']!, 0);
  if (stepMs < 1 || stepMs > STEP_MAX_MS) throw refuse('is at least 1ms and at most 36525d');
  if (calendar?.unit === 'week') return { stepMs, originMs: FIRST_MONDAY_MS, calendar };
  // 86400s is a day, and 24h too: what is as long as days begins where they do.
  const isDays = stepMs % DAY_MS === 0;
  const days = isDays ? ({ unit: 'day', count: stepMs / DAY_MS } as const) : undefined;
  return { stepMs, originMs: 0, calendar: days };
}

/** The units of a step that is nothing but whole days, weeks, months or years. */
function calendarOf(text: string): CalendarUnits | undefined {
  const found = /^(\d{1,6})(d|w|mo|y)$/.exec(text);
  if (found === null) return undefined;
  const count = Number(found[1]);
  switch (found[2]) {
    case 'd':
      return { unit: 'day', count };
    case 'w':
      return { unit: 'week', count };
    default:
      return { unit: 'month', count: found[2] === 'y' ? count * 12 : count };
  }
}

/** The start of the bucket that holds `timeUs`. */
export function floorToStep(timeUs: number, { stepUs, originUs }: Step): number {
  // The remainder of whole numbers is exact; a quotient of two would not be.
  const rest = (timeUs - originUs) % stepUs;
  return timeUs - (rest < 0 ? rest + stepUs : rest);
}

/** The first start of a bucket at or after `timeUs`. */
export function ceilToStep(timeUs: number, step: Step): number {
  const floor = floorToStep(timeUs, step);
  return floor === timeUs ? timeUs : floor + step.stepUs;
}
