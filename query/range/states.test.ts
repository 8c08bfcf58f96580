// Intervals and time in state over HTTP, in every format and under every obligation that bears on them.
import { tableFromIPC } from 'apache-arrow';
import { unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Obligations } from '../../policies/grant.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
/** Half an hour into the last state. */
const NOW = T0 + 3 * HOUR;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let obligations: Obligations = {};

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    clock: () => NOW,
    policy: (shipped) => ({
      ...shipped,
      decide: (...asked) => {
        const grant = shipped.decide(...asked);
        return { ...grant, obligations: { ...grant.obligations, ...obligations } };
      },
    }),
  });
  token = await server.token();
  await server.write('rig-1', 'activity', [
    [T0 - HOUR, 'idle'],
    [T0 + 10 * MINUTE + 250.125, 'drilling'],
    [T0 + 20 * MINUTE, 'drilling'],
    [T0 + 90 * MINUTE + 5_000, 'trip, "out"'],
    [T0 + 90 * MINUTE + 20_000, 'idle'],
    [T0 + 150 * MINUTE, 'drilling'],
    [NOW + 5_000, 'ahead'],
  ]);
  await server.write('rig-1', 'mud/spp', [[T0, 1]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

const times = (start: number, end: number) => `&start=${start / 1_000}&end=${end / 1_000}`;
const ACTIVITY = '/v1/range?series=rig-1/activity';

function ask(path: string, accept = 'application/json', under: Obligations = {}) {
  obligations = under;
  return fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}`, accept } });
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into answers freely
async function json(path: string, under: Obligations = {}): Promise<any> {
  const response = await ask(path, 'application/json', under);
  const body = await readJson(response);
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body;
}

async function intervals(domain: string, under: Obligations = {}) {
  const { series, range } = await json(`${ACTIVITY}${domain}&agg=intervals`, under);
  const { value, start, end } = series[0] ?? { value: [], start: [], end: [] };
  const rows = value.map((text: string, i: number) => [text, start[i] - T0, end[i] - T0]);
  return { rows, range };
}

describe('intervals', () => {
  it('join equal neighbours, begin with what held at the start, and end with the domain', async () => {
    const { rows, range } = await intervals(times(T0, T0 + 2 * HOUR));
    expect(rows).toEqual([
      ['idle', 0, 600_250.125],
      ['drilling', 600_250.125, 90 * MINUTE + 5_000],
      ['trip, "out"', 90 * MINUTE + 5_000, 90 * MINUTE + 20_000],
      ['idle', 90 * MINUTE + 20_000, 2 * HOUR],
    ]);
    expect(range).toEqual({
      ...{ start: T0, end: T0 + 2 * HOUR, step_ms: null, level: 'raw', complete: true },
      segments: [{ level: 'raw', start: T0, end: T0 + 2 * HOUR }],
    });
  });

  it('end now where the domain goes on, and say nothing of what is ahead', async () => {
    const { rows } = await intervals(times(T0 + 160 * MINUTE, NOW + HOUR));
    expect(rows).toEqual([['drilling', 160 * MINUTE, 3 * HOUR]]);
    expect((await intervals(times(NOW, NOW + HOUR))).rows).toEqual([]);
  });

  it('come as CSV, NDJSON and MessagePack', async () => {
    const path = `${ACTIVITY}${times(T0 + 80 * MINUTE, T0 + 100 * MINUTE)}&agg=intervals`;
    const csv = await (await ask(path, 'text/csv')).text();
    const [header, , trip] = csv.split('\n');
    expect(header).toBe('series,asset,channel,value,start,end');
    expect(trip).toMatch(
      /^\d+,rig-1,activity,"trip, ""out""",2026-01-02T04:30:05Z,2026-01-02T04:30:20Z$/,
    );
    const ndjson = await (await ask(path, 'application/x-ndjson')).text();
    expect(JSON.parse(ndjson.split('\n')[1] ?? '')).toEqual({
      ...{ series: expect.any(Number), asset: 'rig-1', channel: 'activity' },
      ...{ value: 'trip, "out"', start: T0 + 90 * MINUTE + 5_000, end: T0 + 90 * MINUTE + 20_000 },
    });
    const packed = await ask(path, 'application/msgpack');
    const answer = unpack(Buffer.from(await packed.arrayBuffer()));
    expect(answer.series).toEqual((await json(path)).series);
  });

  it('are at the times of the domain under an offset', async () => {
    const { rows } = await intervals(`${times(T0 + 22 * HOUR, T0 + 24 * HOUR)}&offset=22h`);
    expect(rows[0]).toEqual(['idle', 22 * HOUR, 22 * HOUR + 600_250.125]);
    expect(rows.at(-1)).toEqual(['idle', 22 * HOUR + 90 * MINUTE + 20_000, 24 * HOUR]);
  });

  it('leave series of numbers empty, and are refused where there are no others', async () => {
    const { series } = await json(`/v1/range?match={}${times(T0, NOW)}&agg=intervals`);
    const spp = series.find(({ channel }: { channel: string }) => channel === 'mud/spp');
    expect(spp).toMatchObject({ value: [], start: [], end: [] });
    const refused = await ask(`/v1/range?series=rig-1/mud/spp${times(T0, NOW)}&agg=intervals`);
    expect(refused.status).toBe(400);
    expect(await readJson(refused)).toMatchObject({ code: 'bad_parameter', parameter: 'agg' });
  });

  const CONFLICTS = [
    ['agg=intervals,last', 'agg'],
    ['agg=intervals&agg=time_in_state', 'agg'],
    ['agg=intervals&step=1m', 'step'],
    ['agg=intervals&width=100', 'width'],
    ['agg=intervals&points=raw', 'points'],
    ['agg=intervals&fill=previous', 'fill'],
    ['agg=intervals&limit=5', 'limit'],
    ['agg=time_in_state&points=raw', 'points'],
    ['agg=last,time_in_state', 'agg'],
  ] as const;
  it.each(CONFLICTS)('do not go with %s', async (query, parameter) => {
    const response = await ask(`${ACTIVITY}${times(T0, NOW)}&${query}`);
    expect(response.status).toBe(400);
    expect(await readJson(response)).toMatchObject({ code: 'conflicting_parameters', parameter });
  });
});

describe('intervals under obligations', () => {
  it('tell of every bucket of the finest step only its last state', async () => {
    const { rows, range } = await intervals(times(T0 + 1, T0 + 2 * HOUR), {
      finest_step_ms: MINUTE,
    });
    expect(rows).toEqual([
      ['idle', 0, 10 * MINUTE],
      ['drilling', 10 * MINUTE, 90 * MINUTE],
      ['idle', 90 * MINUTE, 2 * HOUR],
    ]);
    expect(range).toMatchObject({ start: T0, end: T0 + 2 * HOUR, step_ms: MINUTE });
  });

  it('know nothing of what held before the look-back', async () => {
    const { rows } = await intervals(times(T0, NOW), { lookback_ms: 3 * HOUR - 1 });
    expect(rows[0]).toEqual(['drilling', 600_250.125, 90 * MINUTE + 5_000]);
    const inside = await intervals(times(T0 + HOUR, NOW), { lookback_ms: 4 * HOUR });
    expect(inside.rows[0]).toEqual(['drilling', HOUR, 90 * MINUTE + 5_000]);
  });

  it('end where the delay begins', async () => {
    const { rows } = await intervals(times(T0 + 140 * MINUTE, NOW), { delay_ms: 20 * MINUTE });
    expect(rows).toEqual([
      ['idle', 140 * MINUTE, 150 * MINUTE],
      ['drilling', 150 * MINUTE, 160 * MINUTE],
    ]);
    const late = await intervals(times(T0 + 170 * MINUTE, NOW), { delay_ms: 20 * MINUTE });
    expect(late.rows).toEqual([]);
  });

  it('are no more than the points allowed: coarser, and that is said', async () => {
    const { rows, range } = await intervals(times(T0, T0 + 2 * HOUR), { max_points: 3 });
    expect(range.step_ms).toBe(40 * MINUTE);
    expect(rows).toEqual([
      ['drilling', 0, 80 * MINUTE],
      ['idle', 80 * MINUTE, 2 * HOUR],
    ]);
    const exact = await intervals(times(T0, T0 + 2 * HOUR), { max_points: 4 });
    expect(exact.range.step_ms).toBeNull();
    expect(exact.rows).toHaveLength(4);
  });

  it('read a series that changes all the time slice by slice, and stay within the points allowed', async () => {
    const points = Array.from({ length: 2_500 }, (_, i) => [T0 + i * 1_000, `s${i % 5}`] as const);
    await server.write('rig-9', 'flapping', points);
    const path = `/v1/range?series=rig-9/flapping${times(T0, T0 + HOUR)}&agg=intervals`;
    const { series, range } = await json(path);
    expect(range.step_ms).toBeNull();
    expect(series[0].value).toEqual(points.map(([, text]) => text));
    expect(series[0].start).toEqual(points.map(([ms]) => ms));
    const under = await json(path, { max_points: 300, finest_step_ms: 7_000 });
    expect(under.range.step_ms).toBe(14_000);
    expect(under.series[0].value.length).toBeLessThanOrEqual(300);
    for (const ms of under.series[0].start) expect((ms - under.range.start) % 14_000).toBe(0);
  });

  it('show no label that is hidden', async () => {
    const path = `/v1/range?match={}${times(T0, NOW)}&agg=intervals`;
    const { series } = await json(path, { redact: ['asset'] });
    expect(new Set(series.map(({ asset }: { asset: string }) => asset))).toEqual(new Set(['']));
  });
});

describe('time in state', () => {
  const IN_STATE = `${ACTIVITY}&agg=time_in_state`;

  it('gives ms by state, also for buckets that hold no point', async () => {
    const { series, range } = await json(`${IN_STATE}${times(T0, T0 + 2 * HOUR)}&step=30m`);
    expect(range.step_ms).toBe(30 * MINUTE);
    expect(series[0].t).toEqual([0, 30, 60, 90].map((minutes) => T0 + minutes * MINUTE));
    expect(series[0].time_in_state).toEqual([
      { idle: 600_250.125, drilling: 30 * MINUTE - 600_250.125 },
      { drilling: 30 * MINUTE },
      { drilling: 30 * MINUTE },
      { drilling: 5_000, 'trip, "out"': 15_000, idle: 30 * MINUTE - 20_000 },
    ]);
  });

  it('ends now, and fills what is not known with null if asked', async () => {
    const domain = times(T0 + 2 * HOUR, T0 + 4 * HOUR);
    const { series } = await json(`${IN_STATE}${domain}&step=1h&fill=null`);
    expect(series[0].time_in_state).toEqual([{ idle: 30 * MINUTE, drilling: 30 * MINUTE }, null]);
    const { series: short } = await json(`${IN_STATE}${times(T0 + 170 * MINUTE, NOW)}&step=1h`);
    expect(short[0].time_in_state).toEqual([{ idle: 30 * MINUTE, drilling: 30 * MINUTE }]);
  });

  it('goes by days of a time zone', async () => {
    const { series } = await json(`${IN_STATE}${times(T0, T0 + HOUR)}&step=1d&tz=Asia/Kathmandu`);
    expect(series[0].t).toEqual([Date.UTC(2026, 0, 1, 18, 15)]);
    const [spent] = series[0].time_in_state;
    expect(Object.values<number>(spent).reduce((sum, ms) => sum + ms, 0)).toBe(4 * HOUR);
  });

  it('comes as CSV and NDJSON with an object in a cell', async () => {
    const path = `${IN_STATE}${times(T0 + 30 * MINUTE, T0 + HOUR)}&step=30m`;
    const csv = await (await ask(path, 'text/csv')).text();
    expect(csv.split('\n')[0]).toBe('series,asset,channel,t,time_in_state');
    expect(csv.split('\n')[1]).toMatch(/,2026-01-02T03:30:00Z,"\{""drilling"":1800000\}"$/);
    const ndjson = await (await ask(path, 'application/x-ndjson')).text();
    expect(JSON.parse(ndjson)).toMatchObject({ time_in_state: { drilling: 30 * MINUTE } });
    const packed = await ask(path, 'application/msgpack');
    const answer = unpack(Buffer.from(await packed.arrayBuffer()));
    expect(answer.series).toEqual((await json(path)).series);
  });

  it('is coarsened and narrowed as every bucket is', async () => {
    const { series, range } = await json(`${IN_STATE}${times(T0, NOW)}&step=1m`, {
      finest_step_ms: HOUR,
      lookback_ms: 150 * MINUTE,
      delay_ms: MINUTE,
    });
    expect(range).toMatchObject({ start: T0 + HOUR, end: T0 + 2 * HOUR, step_ms: HOUR });
    // What held at its start is a point before the look-back's first whole bucket: nobody may tell.
    expect(series[0].time_in_state).toEqual([
      { 'trip, "out"': 15_000, idle: 30 * MINUTE - 20_000 },
    ]);
  });
});

describe('buckets', () => {
  const domain = times(T0, T0 + 2 * HOUR);
  const counted = (fill: string) =>
    `${ACTIVITY}${domain}&step=30m&agg=count,last,mean&fill=${fill}`;

  it.each([
    ['none', [0, 90], [2, 2], ['drilling', 'idle']],
    ['null', [0, 30, 60, 90], [2, 0, 0, 2], ['drilling', null, null, 'idle']],
    ['previous', [0, 30, 60, 90], [2, 0, 0, 2], ['drilling', 'drilling', 'drilling', 'idle']],
    ['linear', [0, 30, 60, 90], [2, 0, 0, 2], ['drilling', 'drilling', 'drilling', 'idle']],
  ])('count their points, filled by %s as in every format', async (fill, minutes, count, last) => {
    const { t, ...cells } = (await json(counted(fill))).series[0];
    expect(t).toEqual(minutes.map((minute) => T0 + minute * MINUTE));
    expect(cells).toMatchObject({ count, last, mean: minutes.map(() => null) });

    const csv = (await (await ask(counted(fill), 'text/csv')).text()).trimEnd().split('\n');
    expect(csv.slice(1).map((line) => line.split(',').slice(4))).toEqual(
      minutes.map((_, row) => [`${count[row]}`, last[row] ?? '', '']),
    );
    const rows = (await (await ask(counted(fill), 'application/x-ndjson')).text()).trimEnd();
    const told = rows.split('\n').map((line) => JSON.parse(line));
    expect(told.map((row) => [row.count, row.last])).toEqual(
      minutes.map((_, row) => [count[row], last[row]]),
    );
    const arrow = await ask(counted(fill), 'application/vnd.apache.arrow.stream');
    expect(arrow.status).toBe(200);
    const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()));
    expect([...(table.getChild('count') ?? [])].map(Number)).toEqual(count);
  });
});
