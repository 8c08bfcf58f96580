// Calendar days, weeks and months, and another period for comparison, over HTTP and against brute force: each point is
// put by itself into the local day, week or month that a calendar says it is in.
import { Temporal } from 'temporal-polyfill';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Obligations } from '../../policies/grant.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { changeGrants } from '../../test/policy.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const FIRST = Date.UTC(2025, 8, 20);
const NOW = Date.UTC(2026, 9, 20, 12);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
/** What the policy was asked last, and what it obliges to from now on. */
let facts: unknown;
let obligations: Obligations = {};

/** Some forty minutes apart, with a hole of a week and one of a day. */
const points = Array.from({ length: 14_000 }, (_, i): [number, number] => [
  FIRST + i * 41 * MINUTE + ((i * 7_919) % 1_000),
  Math.round(1_000 * Math.sin(i / 50)) + i / 100,
]).filter(([ms]) => {
  const day = Math.floor((ms - FIRST) / DAY);
  return ms < NOW && (day < 100 || day > 107) && day !== 40;
});

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    clock: () => NOW,
    policy: (shipped) =>
      changeGrants(shipped, (grant, input) => {
        facts = input.request;
        return { ...grant, obligations };
      }),
  });
  token = await server.token();
  await server.write('plant', 'power', points, { unit: 'kW' });
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function ask(query: Readonly<Record<string, string>>): Promise<any> {
  const parameters = new URLSearchParams({ series: 'plant/power', ...query });
  const response = await fetch(`${server.url}/v1/range?${parameters}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = await readJson(response);
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body;
}

type Unit = 'day' | 'week' | 'month';

/** The first day of the day, week or month that a date is in. */
function beginning(date: Temporal.PlainDate, unit: Unit): Temporal.PlainDate {
  if (unit === 'week') return date.subtract({ days: date.dayOfWeek - 1 });
  return unit === 'month' ? date.with({ day: 1 }) : date;
}

const localDate = (ms: number, zone: string) =>
  Temporal.Instant.fromEpochMilliseconds(Math.floor(ms)).toZonedDateTimeISO(zone).toPlainDate();
const midnight = (date: Temporal.PlainDate, zone: string) =>
  date.toZonedDateTime(zone).epochMilliseconds;

/** Where the day, week or month begins that a time is in: local dates by Intl, which the code under test does not ask. */
function bucketFinder(zone: string, unit: Unit): (ms: number) => number {
  const timeZone = zone === '+05:30' ? 'Asia/Kolkata' : zone;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  const known = new Map<string, number>();
  return (ms) => {
    const text = format.format(ms);
    const begin = known.get(text);
    if (begin !== undefined) return begin;
    const found = midnight(beginning(Temporal.PlainDate.from(text), unit), zone);
    known.set(text, found);
    return found;
  };
}

/** Buckets of points, moved later by `offset`, that lie in the domain snapped to whole units. */
function bruteForce(zone: string, unit: Unit, start: number, end: number, offset = 0) {
  const from = midnight(beginning(localDate(start, zone), unit), zone);
  const last = beginning(localDate(end - 1, zone), unit);
  const until = midnight(last.add({ [`${unit}s`]: 1 }), zone);
  const buckets = new Map<number, [number, number][]>();
  const bucketOf = bucketFinder(zone, unit);
  for (const [ms, value] of points) {
    const at = ms + offset;
    if (at < from || at >= until) continue;
    const bucket = bucketOf(at);
    const inside = buckets.get(bucket) ?? [];
    inside.push([at, value]);
    buckets.set(bucket, inside);
  }
  const rows = [...buckets].sort((a, b) => a[0] - b[0]);
  const values = rows.map(([, inside]) => inside.map(([, value]) => value));
  return {
    range: [from, until],
    t: rows.map(([bucket]) => bucket),
    count: values.map((inside) => inside.length),
    min: values.map((inside) => Math.min(...inside)),
    max: values.map((inside) => Math.max(...inside)),
    t_first: rows.map(([, inside]) => inside[0]?.[0]),
    t_last: rows.map(([, inside]) => inside.at(-1)?.[0]),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
function servedOf({ range, series: [one] }: any) {
  const { t, count, min, max, t_first, t_last } = one;
  return { range: [range.start, range.end], t, count, min, max, t_first, t_last };
}

const iso = (ms: number) => new Date(ms).toISOString();
const SPRING = Date.UTC(2026, 2, 29);
const AUTUMN = Date.UTC(2025, 9, 26);

describe('steps of a day and longer', () => {
  const zones = ['Europe/Oslo', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/New_York', '+05:30'];
  const units = [
    ['1d', 'day'],
    ['1w', 'week'],
    ['1mo', 'month'],
  ] as const;
  const cases = zones.flatMap((zone) => units.map(([step, unit]) => ({ zone, step, unit })));

  it.each(cases)('$step of $zone are as a calendar says', async ({ zone, step, unit }) => {
    for (const [start, end] of [
      [SPRING - 40 * DAY, SPRING + 40 * DAY + 17],
      [AUTUMN - 3 * DAY + 1, AUTUMN + 2 * DAY],
      [FIRST, NOW],
    ] as const) {
      const answer = await ask({
        ...{ start: iso(start), end: iso(end), step, tz: zone, agg: 'm4,count' },
      });
      expect(servedOf(answer)).toEqual(bruteForce(zone, unit, start, end));
      const changes = zone.startsWith('Europe') || zone.startsWith('America');
      const length = { day: DAY, week: 7 * DAY, month: null }[unit];
      expect(answer.range.step_ms).toBe(changes ? null : length);
      expect(answer.range.segments.at(0)?.start).toBe(answer.range.start);
      expect(answer.range.segments.at(-1)?.end).toBe(answer.range.end);
    }
  });

  it('hold the 23 and the 25 hours of their day', async () => {
    const day = async (at: number) => {
      const domain = { start: iso(at), end: iso(at + 1), step: '24h', tz: 'Europe/Oslo' };
      const { range } = await ask(domain);
      return (range.end - range.start) / (60 * MINUTE);
    };
    expect(await day(SPRING)).toBe(23);
    expect(await day(AUTUMN)).toBe(25);
    expect(await day(AUTUMN + 2 * DAY)).toBe(24);
  });

  it('are filled in the empty ones, where they begin', async () => {
    const [start, end] = [FIRST + 98 * DAY, FIRST + 110 * DAY];
    const domain = { start: iso(start), end: iso(end), step: '1d', tz: 'Europe/Oslo' };
    const { series } = await ask({ ...domain, agg: 'count,last', fill: 'previous' });
    const { t, count, last } = series[0];
    const days = Array.from(t.keys(), (i: number) =>
      midnight(localDate(t[0], 'Europe/Oslo').add({ days: i }), 'Europe/Oslo'),
    );
    expect(t).toEqual(days);
    const hole = count.flatMap((n: number, i: number) => (n === 0 ? [i] : []));
    expect(hole.length).toBeGreaterThan(5);
    for (const i of hole) expect(last[i]).toBe(last[hole[0] - 1]);
    const linear = (await ask({ ...domain, agg: 'last', fill: 'linear' })).series[0];
    const [a, b] = [hole[0] - 1, hole.at(-1) + 1];
    for (const i of hole) {
      const part = (t[i] - t[a]) / (t[b] - t[a]);
      expect(linear.last[i]).toBeCloseTo(last[a] + (last[b] - last[a]) * part, 9);
    }
  });

  it('are as they are in UTC where the step is shorter than a day', async () => {
    const domain = { start: iso(SPRING), end: iso(SPRING + DAY), step: '6h' };
    const { range, series } = await ask({ ...domain, tz: 'Asia/Kathmandu' });
    expect([range, series]).toEqual((({ range, series }) => [range, series])(await ask(domain)));
  });

  it('come by width as well', async () => {
    const [start, end] = [FIRST, NOW];
    const query = { start: iso(start), end: iso(end), width: '300', agg: 'm4,count' };
    const answer = await ask({ ...query, tz: 'America/New_York' });
    expect(servedOf(answer)).toEqual(bruteForce('America/New_York', 'day', start, end));
  });
});

describe('another period for comparison', () => {
  const [start, end] = [SPRING - 2 * DAY, SPRING + 3 * DAY];
  const domain = { start: iso(start), end: iso(end) };

  it.each([
    ['7d', 7 * DAY],
    ['-7d', -7 * DAY],
    ['36h', 1.5 * DAY],
  ])('%s is put at the times asked for', async (offset, ms) => {
    const answer = await ask({
      ...{ ...domain, step: '1d', tz: 'Europe/Oslo', agg: 'm4,count', offset },
    });
    expect(servedOf(answer)).toEqual(bruteForce('Europe/Oslo', 'day', start, end, ms));
    expect(facts).toMatchObject({ start: start - ms, end: end - ms });
  });

  it('comes in steps whose buckets lie as they would without it', async () => {
    const query = { ...domain, step: '1w', agg: 'm4,count', offset: '25h' };
    const answer = await ask(query);
    expect(servedOf(answer)).toEqual(bruteForce('UTC', 'week', start, end, 25 * 60 * MINUTE));
    expect(answer.range.step_ms).toBe(7 * DAY);
  });

  it('comes as points, page by page', async () => {
    const seen: number[] = [];
    let page: string | undefined;
    do {
      const paging = { points: 'raw', limit: '50', ...(page === undefined ? {} : { page }) };
      const { series, next } = await ask({ ...domain, offset: '7d', ...paging });
      expect(facts).toMatchObject({ start: start - 7 * DAY, end: end - 7 * DAY });
      seen.push(...(series[0]?.t ?? []));
      page = next;
    } while (page !== undefined);
    const moved = points.map(([ms]) => ms + 7 * DAY).filter((ms) => ms >= start && ms < end);
    expect(seen).toEqual(moved);
  });

  it('is under the obligations of what is read, not of what it is shown beside', async () => {
    obligations = { lookback_ms: 30 * DAY };
    try {
      const shown = { start: iso(NOW - 2 * DAY), end: iso(NOW), step: '1h', agg: 'count' };
      expect((await ask(shown)).series[0].t.length).toBeGreaterThan(40);
      expect((await ask({ ...shown, offset: '40d' })).series).toEqual([]);
      const partly = await ask({ ...shown, offset: '29d' });
      expect(partly.range.start).toBe(NOW - DAY);
      obligations = { delay_ms: 3 * DAY };
      expect((await ask({ ...shown, offset: '7d' })).series[0].t.length).toBeGreaterThan(40);
      expect((await ask(shown)).series).toEqual([]);
    } finally {
      obligations = {};
    }
  });
});
