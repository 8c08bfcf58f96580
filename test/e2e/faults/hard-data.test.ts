// What devices do to a plant without meaning to: one value that cannot be stored among fifty thousand, days that come out
// of order, a hundred thousand series at once, a clock that stands in 2010.
import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { eventually, issueToken } from '../../program.ts';
import { type Account, expectCalm, readAccount, readMetric, withClient } from './oracles.ts';
import { openRig, PATIENCE_MS, type Rig, TEST_MS } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Sample {
  readonly ts: number;
  readonly value: number;
}

let rig: Rig;
let close: () => Promise<void>;
let token: string;

beforeAll(async () => {
  ({ rig, close } = await openRig({}));
  token = await issueToken(rig.dataDir, { tenant: 'acme', role: 'viewer' });
}, TEST_MS);

afterAll(async () => {
  await rig.end();
  await close();
}, TEST_MS);

/** Publishes messages, and gives back what they added to the account when all of it is settled. */
async function publish(
  readings: number,
  messages: Iterable<readonly [topic: string, payload: unknown]>,
): Promise<Omit<Account, 'inFlight'>> {
  const before = await readAccount(rig.program);
  const device = await mqtt.connectAsync(rig.broker.url);
  const sent = [...messages].map(([topic, payload]) =>
    device.publishAsync(topic, JSON.stringify(payload), { qos: 1 }),
  );
  await Promise.all(sent);
  await device.endAsync();
  const { inFlight: _none, ...after } = await eventually(
    () => readAccount(rig.program),
    ({ inFlight, received }) => inFlight === 0 && received >= before.received + readings,
    PATIENCE_MS,
  );
  expectCalm(rig.program);
  const outcomes = Object.keys(after) as (keyof typeof after)[];
  return Object.fromEntries(
    outcomes.map((outcome) => [outcome, after[outcome] - before[outcome]]),
  ) as typeof after;
}

function* batches<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

const NONE = { inserted: 0, duplicate: 0, corrected: 0, deadLettered: 0, ignored: 0 };

it('finds the one row of 50,000 that the database refuses, and keeps only that as a dead letter', async () => {
  const rows = 50_000;
  const poison = 31_337;
  await withClient(rig.database.url, (client) =>
    client.query(`alter table tailrace.reading add constraint none check (value <> ${poison})`),
  );
  const baseMs = Date.now() - HOUR_MS;
  const samples = Array.from({ length: rows }, (_, i): Sample => ({ ts: baseMs + i, value: i }));
  const added = await publish(
    rows,
    [...batches(samples, 100)].map((batch) => ['t/acme/poisoned/load', batch] as const),
  );
  expect(added).toEqual({ ...NONE, received: rows, inserted: rows - 1, deadLettered: 1 });
  await withClient(rig.database.url, async (client) => {
    const letters = await client.query(
      `select code, readings, position(convert_to('"value":${poison}}', 'UTF8') in payload) > 0 as is_it
       from tailrace.dead_letter where topic = 't/acme/poisoned/load'`,
    );
    expect(letters.rows).toEqual([{ code: '23514', readings: 1, is_it: true }]);
  });
});

it('creates 100,000 series that come in one burst', async () => {
  const topics = 100;
  const keys = 1_000;
  const ts = Date.now();
  const payload = Object.fromEntries(Array.from({ length: keys }, (_, key) => [`k${key}`, key]));
  const messages = Array.from(
    { length: topics },
    (_, i) => [`t/acme/wide-${i}/x`, { ts, values: payload }] as const,
  );
  const added = await publish(topics * keys, messages);
  expect(added).toEqual({ ...NONE, received: topics * keys, inserted: topics * keys });
  // A second burst finds them.
  const again = await publish(topics * keys, messages);
  expect(again).toEqual({ ...NONE, received: topics * keys, duplicate: topics * keys });
  await withClient(rig.database.url, async (client) => {
    const { rows } = await client.query(
      `select count(*)::int4 as n, count(distinct (asset, channel))::int4 as different
       from tailrace.series where asset like 'wide-%'`,
    );
    expect(rows).toEqual([{ n: topics * keys, different: topics * keys }]);
  });
});

/** Count, least and greatest value of each hour, as the samples have them. */
function hoursOf(samples: readonly Sample[]) {
  const hours = new Map<number, { count: number; min: number; max: number }>();
  for (const { ts, value } of samples) {
    const start = ts - (ts % HOUR_MS);
    const hour = hours.get(start) ?? { count: 0, min: value, max: value };
    hour.count++;
    hour.min = Math.min(hour.min, value);
    hour.max = Math.max(hour.max, value);
    hours.set(start, hour);
  }
  const starts = [...hours.keys()].sort((a, b) => a - b);
  const column = (name: 'count' | 'min' | 'max') => starts.map((start) => hours.get(start)?.[name]);
  return { t: starts, count: column('count'), min: column('min'), max: column('max') };
}

/** The hours of a series as the program answers them, and which levels it read. */
async function askForHours(series: string, startMs: number, endMs: number) {
  const query = new URLSearchParams({
    series,
    start: new Date(startMs).toISOString(),
    end: new Date(endMs).toISOString(),
    step: '1h',
    agg: 'count,min,max',
  });
  const response = await fetch(`${rig.program.httpUrl}/v1/range?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status, await response.clone().text()).toBe(200);
  const answer = (await response.json()) as {
    range: { segments: { level: string }[] };
    series: { t: number[]; count: number[]; min: number[]; max: number[] }[];
  };
  const [{ t, count, min, max } = {}] = answer.series;
  return {
    hours: { t, count, min, max },
    levels: new Set(answer.range.segments.map(({ level }) => level)),
  };
}

/** Ranges are right as soon as the readings are acknowledged, and still when they come from rollups. */
async function expectHours(series: string, samples: readonly Sample[]): Promise<void> {
  const expected = hoursOf(samples);
  const startMs = expected.t[0] ?? 0;
  const endMs = (expected.t.at(-1) ?? 0) + HOUR_MS;
  const ask = async () => {
    const { hours, levels } = await askForHours(series, startMs, endMs);
    expect(hours).toEqual(expected);
    return [...levels];
  };
  await eventually(ask, (levels) => levels.length === 1 && levels[0] === '1h', PATIENCE_MS);
}

it('takes a device whose clock stands in 2010: late, and its rollups are right', async () => {
  const baseMs = Date.UTC(2010, 5, 1);
  const samples = Array.from(
    { length: 4_000 },
    (_, i): Sample => ({ ts: baseMs + i * 30_000, value: (i * 7919) % 1009 }),
  );
  const lateBefore = await readMetric(rig.program, 'tailrace_ingest_late_readings_total');
  const added = await publish(
    samples.length,
    [...batches(samples, 200)].map((batch) => ['t/acme/clock/old', batch] as const),
  );
  expect(added).toEqual({ ...NONE, received: samples.length, inserted: samples.length });
  const late = await readMetric(rig.program, 'tailrace_ingest_late_readings_total');
  expect((late ?? 0) - (lateBefore ?? 0)).toBe(samples.length);
  await expectHours('clock/old', samples);
});

it('keeps what comes from before 1990, or from more than a day ahead, as dead letters', async () => {
  const { received, deadLettered, inserted } = await publish(4, [
    ['t/acme/clock/wrong', { ts: '1989-12-31T23:59:59.999Z', value: 1 }],
    ['t/acme/clock/wrong', { ts: '1990-01-01T00:00:00Z', value: 2 }],
    ['t/acme/clock/wrong', { ts: Date.now() + DAY_MS - HOUR_MS, value: 3 }],
    ['t/acme/clock/wrong', { ts: Date.now() + DAY_MS + HOUR_MS, value: 4 }],
  ]);
  expect({ received, deadLettered, inserted }).toEqual({
    received: 4,
    deadLettered: 2,
    inserted: 2,
  });
});

it('takes days out of order, each in pieces: every range is right', async () => {
  const days = 12;
  const baseMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - days * DAY_MS;
  const samples = Array.from(
    { length: days * 240 },
    (_, i): Sample => ({ ts: baseMs + i * 360_000, value: (i * 31) % 977 }),
  );
  // The order of a shuffle that is the same each time: steps by a number that has no factor in common with the count.
  const pieces = [...batches(samples, 24)];
  const shuffled = pieces.map((_, i) => pieces[(i * 53) % pieces.length] ?? []);
  for (const part of batches(shuffled, 40)) {
    await publish(
      part.flat().length,
      part.map((piece) => ['t/acme/clock/shuffled', piece] as const),
    );
  }
  await expectHours('clock/shuffled', samples);
});
