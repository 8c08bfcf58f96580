import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createZones } from './zone.ts';

const zones = createZones();
const zoneOf = (name: string) => {
  const zone = zones.zone(name);
  if (zone === undefined) throw new Error(`${name} is no zone`);
  return zone;
};
const utc = (text: string) => Date.parse(`${text}Z`);

describe('a local time', () => {
  it.each([
    ['Europe/Oslo', '2025-07-01T12:00:00', '2025-07-01T10:00:00'],
    ['Europe/Oslo', '2025-12-01T12:00:00.250', '2025-12-01T11:00:00.250'],
    ['Europe/Oslo', '2025-03-30T01:59:59', '2025-03-30T00:59:59'],
    ['Europe/Oslo', '2025-03-30T03:00:00', '2025-03-30T01:00:00'],
    ['Europe/Oslo', '2025-10-26T01:59:59', '2025-10-25T23:59:59'],
    ['Europe/Oslo', '2025-10-26T03:00:00', '2025-10-26T02:00:00'],
    ['America/New_York', '2025-11-02T00:30:00', '2025-11-02T04:30:00'],
    ['Asia/Kolkata', '2025-01-01T00:00:00', '2024-12-31T18:30:00'],
    ['Australia/Lord_Howe', '2025-10-05T02:30:00', '2025-10-04T15:30:00'],
    ['Pacific/Kiritimati', '2025-01-01T00:00:00', '2024-12-31T10:00:00'],
    ['Etc/GMT-1', '2025-10-26T02:30:00', '2025-10-26T01:30:00'],
    ['UTC', '2025-01-01T00:00:00', '2025-01-01T00:00:00'],
  ])('in %s at %s is %s', (name, local, instant) => {
    expect(zoneOf(name).toUtcMs(utc(local))).toBe(utc(instant));
  });

  it.each([
    ['Europe/Oslo', '2025-03-30T02:00:00', 'is skipped'],
    ['Europe/Oslo', '2025-03-30T02:59:59.999', 'is skipped'],
    ['Europe/Oslo', '2025-10-26T02:00:00', 'comes twice'],
    ['Europe/Oslo', '2025-10-26T02:59:59.999', 'comes twice'],
    ['America/New_York', '2025-11-02T01:30:00', 'comes twice'],
    ['Australia/Lord_Howe', '2025-10-05T02:15:00', 'is skipped'],
    ['Australia/Lord_Howe', '2025-04-06T01:45:00', 'comes twice'],
    // A day that was left out: the date line moved.
    ['Pacific/Apia', '2011-12-30T12:00:00', 'is skipped'],
  ])('in %s at %s %s and is none', (name, local) => {
    expect(zoneOf(name).toUtcMs(utc(local))).toBeNaN();
  });

  it('is what Intl shows at that instant, wherever it is one', () => {
    const names = [
      'Europe/Oslo',
      'America/St_Johns',
      'Asia/Tehran',
      'Australia/Lord_Howe',
      'Africa/Casablanca',
      'America/Santiago',
    ];
    const shows = new Map(
      names.map((timeZone) => [
        timeZone,
        new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }),
      ]),
    );
    const instant = fc.integer({
      min: utc('1990-01-01T00:00:00') / 1000,
      max: utc('2035-01-01T00:00:00') / 1000,
    });
    fc.assert(
      fc.property(fc.constantFrom(...names), instant, (name, seconds) => {
        const localMs = utc((shows.get(name)?.format(seconds * 1000) ?? '').replace(' ', 'T'));
        const utcMs = zoneOf(name).toUtcMs(localMs);
        // Where it comes twice it is none.
        if (Number.isNaN(utcMs)) {
          const others = [-3600, -1800, 1800, 3600].map((apart) =>
            shows.get(name)?.format((seconds + apart) * 1000),
          );
          expect(others).toContain(shows.get(name)?.format(seconds * 1000));
        } else expect(utcMs).toBe(seconds * 1000);
      }),
      { numRuns: 1_000 },
    );
  });
});

it('a name of no zone is none', () => {
  expect(zones.zone('Nowhere/Else')).toBeUndefined();
  expect(zones.zone('')).toBeUndefined();
});

it('remembers no more zones than it may', () => {
  const few = createZones(2);
  for (const name of ['UTC', 'Europe/Oslo', 'nowhere', 'Asia/Kolkata', 'UTC']) few.zone(name);
  expect(few.size).toBeLessThanOrEqual(2);
});
