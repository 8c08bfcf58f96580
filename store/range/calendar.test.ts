import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import { calendarEdges, clockChanges, estimateBuckets, isTimeZone } from './calendar.ts';

const us = (text: string) => Date.parse(text) * 1000;
const texts = (edges: Float64Array) =>
  Array.from(edges, (edge) => new Date(edge / 1000).toISOString().replace(':00.000Z', 'Z'));

/** The local date and time of an instant by another way than the one under test. */
function localOf(timeUs: number, zone: string): string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  });
  return format.format(timeUs / 1000).replace(', ', ' ');
}

describe('edges of a calendar', () => {
  it.each([
    {
      what: 'a day of 23 hours',
      step: { unit: 'day', count: 1, zone: 'Europe/Oslo' },
      from: '2026-03-28T23:30Z',
      to: '2026-03-29T12:00Z',
      edges: ['2026-03-28T23:00Z', '2026-03-29T22:00Z'],
    },
    {
      what: 'a day of 25 hours',
      step: { unit: 'day', count: 1, zone: 'Europe/Oslo' },
      from: '2026-10-25T00:00Z',
      to: '2026-10-25T01:00Z',
      edges: ['2026-10-24T22:00Z', '2026-10-25T23:00Z'],
    },
    {
      what: 'an offset of 5:45',
      step: { unit: 'day', count: 1, zone: 'Asia/Kathmandu' },
      from: '2026-06-01T00:00Z',
      to: '2026-06-01T00:01Z',
      edges: ['2026-05-31T18:15Z', '2026-06-01T18:15Z'],
    },
    {
      what: 'a day that begins at one, as there is no midnight',
      step: { unit: 'day', count: 1, zone: 'America/Sao_Paulo' },
      from: '2018-11-04T05:00Z',
      to: '2018-11-04T06:00Z',
      edges: ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    },
    {
      what: 'a day that a zone has skipped',
      step: { unit: 'day', count: 1, zone: 'Pacific/Apia' },
      from: '2011-12-29T12:00Z',
      to: '2011-12-30T12:00Z',
      edges: ['2011-12-29T10:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z'],
    },
    {
      what: 'weeks from Mondays',
      step: { unit: 'week', count: 1, zone: 'America/New_York' },
      from: '2026-03-09T12:00Z',
      to: '2026-03-16T12:00Z',
      edges: ['2026-03-09T04:00Z', '2026-03-16T04:00Z', '2026-03-23T04:00Z'],
    },
    {
      what: 'months in UTC',
      step: { unit: 'month', count: 1, zone: 'UTC' },
      from: '2026-01-15T00:00Z',
      to: '2026-03-01T00:00Z',
      edges: ['2026-01-01T00:00Z', '2026-02-01T00:00Z', '2026-03-01T00:00Z'],
    },
    {
      what: 'quarters from January 1970, before it too',
      step: { unit: 'month', count: 3, zone: 'UTC' },
      from: '1969-12-31T00:00Z',
      to: '1970-01-02T00:00Z',
      edges: ['1969-10-01T00:00Z', '1970-01-01T00:00Z', '1970-04-01T00:00Z'],
    },
  ] as const)('$what', ({ step, from, to, edges }) => {
    expect(texts(calendarEdges(step, us(from), us(to)))).toEqual(edges);
  });

  it('hold the domain, rise, and stand at the first moment of a local date', () => {
    const zones = [
      ...['Europe/Oslo', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'UTC'],
      // Clocks that change at midnight, that went back over it, and that change for a month of a year.
      ...['America/Havana', 'America/Sao_Paulo', 'America/St_Johns', 'Africa/Casablanca'],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom('day', 'week', 'month'),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: us('1990-01-01'), max: us('2040-01-01') }),
        fc.integer({ min: 1, max: 400 * 86_400_000_000 }),
        (zone, unit, count, startUs, spanUs) => {
          const edges = calendarEdges({ unit, count, zone }, startUs, startUs + spanUs);
          expect(edges[0]).toBeLessThanOrEqual(startUs);
          expect(edges[1]).toBeGreaterThan(startUs);
          expect(edges.at(-1)).toBeGreaterThanOrEqual(startUs + spanUs);
          expect(edges.at(-2)).toBeLessThan(startUs + spanUs);
          for (const edge of edges) {
            const [date] = localOf(edge, zone).split(' ');
            const [before] = localOf(edge - 1_000_000, zone).split(' ');
            expect(date).not.toBe(before);
          }
          for (const [i, edge] of edges.entries()) expect(edge).toBeGreaterThan(edges[i - 1] ?? -1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are those that the calendar gives day by day', () => {
    const zones = ['Europe/Oslo', 'America/St_Johns', 'Pacific/Apia', 'Africa/Casablanca'];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: us('1985-01-01'), max: us('2035-01-01') }),
        fc.integer({ min: 1, max: 200 }),
        (zone, startUs, days) => {
          const endUs = startUs + days * 86_400_000_000;
          const edges = calendarEdges({ unit: 'day', count: 1, zone }, startUs, endUs);
          // Both ends of the buckets that touch the domain, each day's beginning looked for by itself.
          const from = Temporal.Instant.fromEpochMilliseconds(Math.floor(startUs / 1000));
          const begins = new Set<number>();
          for (let day = -2; day <= days + 2; day++) {
            const date = from.toZonedDateTimeISO(zone).toPlainDate().add({ days: day });
            begins.add(date.toZonedDateTime(zone).epochMilliseconds * 1000);
          }
          const all = [...begins].sort((a, b) => a - b);
          const touching = all.filter(
            (edge, i) => (all[i + 1] ?? edge) > startUs && (all[i - 1] ?? edge) < endUs,
          );
          expect([...edges]).toEqual(touching);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('of a time long before clocks and long after cost no more than those of now', () => {
    const sinceMs = performance.now();
    const step = { unit: 'day', count: 30, zone: 'Europe/Oslo' } as const;
    const [startUs, endUs] = [us('0001-01-01T00:00Z'), us('9999-12-31T00:00Z')];
    const edges = calendarEdges(step, startUs, endUs);
    expect(edges.length).toBeGreaterThan(estimateBuckets(step, endUs - startUs));
    expect(performance.now() - sinceMs).toBeLessThan(2_000);
    expect(clockChanges('Europe/Oslo', startUs, startUs + 1)).toBe(false);
  });
});

it.each([
  ['Europe/Oslo', true],
  ['europe/oslo', true],
  ['US/Pacific', true],
  ['Etc/GMT+5', true],
  ['UTC', true],
  ['+05:30', true],
  ['-0330', true],
  ['+14', true],
  ['PST', false],
  ['GMT+5', false],
  ['Mars/Olympus', false],
  ['2020-01-01[Europe/Oslo]', false],
  ['2020-01-01T00:00Z', false],
  ['+25:00', false],
  ['+05:30:15', false],
  ['__proto__', false],
  ["Europe/Oslo'; drop table reading --", false],
  [`A${'/A'.repeat(40)}`, false],
  ['', false],
])('whether %s is a time zone: %s', (text, isOne) => {
  expect(isTimeZone(text)).toBe(isOne);
});

it.each([
  ['Europe/Oslo', '2026-07-01T00:00Z', true],
  ['Asia/Kolkata', '2026-07-01T00:00Z', false],
  ['Europe/Moscow', '2026-07-01T00:00Z', false],
  ['Europe/Moscow', '2010-07-01T00:00Z', true],
])('whether the clock of %s changes about %s: %s', (zone, at, changes) => {
  expect(clockChanges(zone, us(at), us(at) + 1)).toBe(changes);
});
