// Shift hours as the shipped WebAssembly works them out, against a count of minutes by brute force.
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { readBundleFile, shippedBundlePath } from './bundles/bundle.ts';
import { createEvaluator, type Evaluate } from './decide/evaluator.ts';
import { readVerdict } from './decide/verdict.ts';

interface Shift {
  readonly days: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly offset?: string;
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const MINUTE_MS = 60_000;
const DAY_MIN = 1_440;
/** 2026-11-16 00:00 UTC, a Monday. */
const MONDAY_MS = 1_794_787_200_000;

const clock = (minute: number) => new Date(minute * MINUTE_MS).toISOString().slice(11, 16);
const shift: fc.Arbitrary<Shift> = fc
  .record({
    days: fc.subarray([...DAYS], { minLength: 1 }),
    from: fc.nat(DAY_MIN - 1).map(clock),
    to: fc.oneof(fc.nat(DAY_MIN - 1).map(clock), fc.constant('24:00')),
    offsetMin: fc.option(fc.integer({ min: -14 * 60, max: 14 * 60 })),
  })
  .map(({ offsetMin, ...hours }) => {
    if (offsetMin === null) return hours;
    return { ...hours, offset: `${offsetMin < 0 ? '-' : '+'}${clock(Math.abs(offsetMin))}` };
  });

function minuteOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}

/** When it begins in minutes since that Monday in UTC, from the week before to the week after next. */
function beginnings({ days, from, offset = '+00:00' }: Shift) {
  const offsetMin = minuteOf(offset.slice(1)) * (offset.startsWith('-') ? -1 : 1);
  const all = Array.from({ length: 28 }, (_, index) => index - 7);
  return all
    .map((day) => ({ name: DAYS[(day + 7) % 7] as string, midnight: day * DAY_MIN - offsetMin }))
    .filter(({ name }) => days.includes(name))
    .map(({ name, midnight }) => ({ name, minute: midnight + minuteOf(from) }));
}

function lengthOf({ from, to }: Shift): number {
  const length = minuteOf(to) - minuteOf(from);
  return length > 0 ? length : length + DAY_MIN;
}

const SHIFTS = fc.sample(shift, { numRuns: 300, seed: 7 });
let evaluate: Evaluate;
beforeAll(async () => {
  const shipped = await readBundleFile(shippedBundlePath());
  const shifts = Object.fromEntries(SHIFTS.map((one, index) => [`s${index}`, one]));
  evaluate = createEvaluator({ ...shipped, data: { ...shipped.data, shifts } });
});

function decide(index: number, now: number) {
  const subject = { sub: 's', tenant: 'acme', roles: ['viewer'], exp: 2e9, shift: `s${index}` };
  const verdict = readVerdict(evaluate({ action: 'range', now, tenant: 'acme', subject }));
  if (!verdict.understood) throw new Error(verdict.fault);
  return verdict;
}

it('is on from each beginning for as long as it lasts, and a refusal says the next one', () => {
  const week = fc.integer({ min: 0, max: 7 * DAY_MIN * MINUTE_MS - 1 });
  fc.assert(
    fc.property(fc.nat(SHIFTS.length - 1), week, fc.boolean(), (index, sinceMs, atBorder) => {
      const one = SHIFTS[index] as Shift;
      const begins = beginnings(one);
      // Half of the times are a border, or the millisecond before it.
      const border =
        (begins[index % begins.length]?.minute ?? 0) + (sinceMs % 2 === 0 ? lengthOf(one) : 0);
      const atMs = atBorder ? border * MINUTE_MS - (index % 2) : sinceMs;
      fc.pre(atMs >= 0 && atMs < 14 * DAY_MIN * MINUTE_MS);
      const minute = Math.floor(atMs / MINUTE_MS);
      const began = begins.findLast((begin) => begin.minute <= minute);
      const on = began !== undefined && minute < began.minute + lengthOf(one);
      const { allow, reason } = decide(index, MONDAY_MS + atMs);
      expect({ one, atMs, allow }).toEqual({ one, atMs, allow: on });
      if (on) return;
      const next = begins.find((begin) => begin.minute > minute);
      expect(reason).toContain(` begins ${next?.name} at ${one.from} UTC${one.offset ?? ''}`);
    }),
    { numRuns: 1_500 },
  );
});
