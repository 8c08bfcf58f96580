// Readings over HTTP, end to end: every payload format, what refuses them, and that none is lost while the database or
// the broker is away.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type HttpError, InfluxDB, Point, setLogger } from '@influxdata/influxdb-client';
import { Encoder } from 'cbor-x';
import mqtt from 'mqtt';
import { pack } from 'msgpackr';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driverOptions } from '../../sql/connection.ts';
import { embeddedUrl } from '../../sql/embedded/engine.ts';
import { startMosquitto } from '../mosquitto.ts';
import { eventually, issueToken, type Program, startProgram, withDataDir } from '../program.ts';

const TS = Date.UTC(2026, 5, 1, 12);
const SPAN = `start=${TS / 1_000 - 60}&end=${TS / 1_000 + 60}`;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly json: any;
}

async function ask(
  program: Program,
  path: string,
  token: string,
  init: RequestInit = {},
): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, ...init.headers };
  const response = await fetch(`${program.httpUrl}${path}`, { ...init, headers });
  const text = await response.text();
  const json = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, json };
}

function write(
  program: Program,
  target: string,
  token: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(program, `/v1/write?asset=${target}`, token, { method: 'POST', body, headers });
}

/** Raw points of an asset: channel, labels, ms since TS, value. */
async function pointsOf(program: Program, asset: string, token: string): Promise<unknown[][]> {
  const path = `/v1/range?match={asset="${asset}"}&${SPAN}&points=raw`;
  const { json } = await ask(program, path, token);
  const series: { channel: string; labels: object; t: number[]; v: unknown[] }[] = json.series;
  return series
    .sort((a, b) => (a.channel < b.channel ? -1 : 1))
    .flatMap(({ channel, labels, t, v }) => t.map((ms, i) => [channel, labels, ms - TS, v[i]]));
}

/** The account, from the metrics; checks that it balances. */
async function account(program: Program): Promise<Record<string, number>> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const found = text.matchAll(/tailrace_ingest_readings_total\{outcome="(\w+)"\} (\d+)/g);
  const counts = Object.fromEntries(Array.from(found, ([, outcome, n]) => [outcome, Number(n)]));
  const inFlight = Number(/^tailrace_ingest_in_flight (\d+)$/m.exec(text)?.[1]);
  const { received, ...settled } = counts as Record<string, number>;
  const sum = Object.values(settled).reduce((total, count) => total + count, inFlight);
  expect(sum).toBe(received);
  return { ...counts, inFlight };
}

const bytes = (buffer: Buffer) => new Uint8Array(buffer);
const cbor = new Encoder({ mapsAsObjects: true, useRecords: false });
const POINT = { ts: TS, value: 1.5 };
const LINE = `weather,site=north temperature=17.5,wet=true ${TS}000000\n`;

/** A frame of zstd with one block that is not compressed: its own format says so, and no encoder is needed. */
function zstdFrame(content: string): Uint8Array<ArrayBuffer> {
  const size = Buffer.byteLength(content);
  const block = (size << 3) | 1;
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, size, block & 0xff, block >> 8, 0];
  return new Uint8Array([...head, ...Buffer.from(content)]);
}
const ZSTD_POINT = zstdFrame(JSON.stringify(POINT));

/** Asset (and channel), body, content type, and the points that it becomes. */
const FORMATS: readonly (readonly [
  target: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
  points: readonly (readonly unknown[])[],
])[] = [
  ['json&channel=p', JSON.stringify(POINT), {}, [['p', {}, 0, 1.5]]],
  [
    'flat',
    `{"ts":${TS},"a":1,"b":"on"}`,
    { 'content-type': 'application/json' },
    [
      ['a', {}, 0, 1],
      ['b', {}, 0, 'on'],
    ],
  ],
  [
    'columns&channel=c',
    `{"ts":[${TS},${TS + 1}],"x":[1,2]}`,
    {},
    [
      ['c/x', {}, 0, 1],
      ['c/x', {}, 1, 2],
    ],
  ],
  [
    'msgpack&channel=p',
    bytes(pack(POINT)),
    { 'content-type': 'application/msgpack' },
    [['p', {}, 0, 1.5]],
  ],
  [
    'cbor&channel=p',
    bytes(cbor.encode(POINT)),
    { 'content-type': 'application/cbor' },
    [['p', {}, 0, 1.5]],
  ],
  [
    'line',
    LINE,
    { 'content-type': 'text/plain; charset=utf-8' },
    [
      ['weather/temperature', { site: 'north' }, 0, 17.5],
      ['weather/wet', { site: 'north' }, 0, 'true'],
    ],
  ],
  [
    'csv&channel=s',
    `time,in,out\n2026-06-01T12:00:00Z,1,2\n2026-06-01T12:00:01Z,3,\n`,
    { 'content-type': 'text/csv' },
    [
      ['s/in', {}, 0, 1],
      ['s/in', {}, 1_000, 3],
      ['s/out', {}, 0, 2],
    ],
  ],
  [
    'gzip&channel=p',
    bytes(gzipSync(JSON.stringify(POINT))),
    { 'content-encoding': 'gzip' },
    [['p', {}, 0, 1.5]],
  ],
  ['zstd&channel=p', ZSTD_POINT, { 'content-encoding': 'zstd' }, [['p', {}, 0, 1.5]]],
  [
    'kepserver&channel=k',
    `{"timestamp":${TS},"values":[{"id":"Line.Speed","v":7,"q":true,"t":${TS + 1}},{"id":"On","v":true,"q":true,"t":${TS}}]}`,
    { 'content-type': 'application/json' },
    [
      ['k/Line.Speed', {}, 1, 7],
      ['k/On', {}, 0, 'true'],
    ],
  ],
];

describe('in one process', () => {
  let dataDir: string;
  let program: Program;
  let operator: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tailrace-'));
    program = await startProgram({
      dataDir,
      env: { MQTT_ANONYMOUS: 'loopback', LOG_LEVEL: 'trace' },
    });
    operator = await issueToken(dataDir, { tenant: 'acme', role: 'operator' });
  });

  afterAll(async () => {
    const status = await program.end();
    await rm(dataDir, { recursive: true, force: true });
    expect(status).toBe(0);
  });

  it.each(FORMATS)('takes %s and shows it at once', async (target, body, headers, points) => {
    const { status, json } = await write(program, target, operator, body, headers);
    expect([status, json]).toEqual([
      202,
      { accepted: points.length, ignored: json.ignored, faults: [] },
    ]);
    expect(await pointsOf(program, target.split('&')[0] ?? '', operator)).toEqual(points);
  });

  it('makes dead letters of what is wrong among good readings, and says so', async () => {
    const before = await account(program);
    const body = `[{"ts":${TS},"value":1},{"ts":3,"value":2},{"ts":4,"value":2}]`;
    const { status, json } = await write(program, 'partly&channel=p', operator, body);
    expect([status, json.accepted]).toEqual([202, 1]);
    expect(json.faults).toMatchObject([{ code: 'time_out_of_range', count: 2 }]);
    const after = await account(program);
    expect(after.inserted).toBe((before.inserted ?? 0) + 1);
    expect(after.dead_lettered).toBe((before.dead_lettered ?? 0) + 2);
  });

  it('counts the same write again as duplicates, and another value as a correction', async () => {
    const before = await account(program);
    for (const value of [1, 1, 2]) {
      const body = JSON.stringify({ ts: TS, value });
      expect((await write(program, 'again&channel=p', operator, body)).status).toBe(202);
    }
    const after = await account(program);
    const gained = (outcome: string) => (after[outcome] ?? 0) - (before[outcome] ?? 0);
    expect(['inserted', 'duplicate', 'corrected'].map(gained)).toEqual([1, 1, 1]);
    expect(await pointsOf(program, 'again', operator)).toEqual([['p', {}, 0, 2]]);
  });

  it('lets subscribers of the broker see what came over HTTP, once', async () => {
    const subscriber = await mqtt.connectAsync(program.mqttUrl ?? '');
    const seen: string[] = [];
    subscriber.on('message', (topic, payload) => seen.push(`${topic} ${payload.toString()}`));
    await subscriber.subscribeAsync('t/acme/heard/#', { qos: 1 });
    await write(program, 'heard&channel=p', operator, '1');
    await write(program, 'heard&channel=p', operator, '2');
    await eventually(
      async () => seen,
      ({ length }) => length >= 2,
    );
    expect(seen).toEqual(['t/acme/heard/p 1', 't/acme/heard/p 2']);
    await subscriber.endAsync();
  });

  it('takes the token of a device for its own asset only', async () => {
    const claim = 'device="own"';
    const token = await issueToken(dataDir, { tenant: 'acme', role: 'device', claim });
    expect((await write(program, 'own&channel=p', token, '1')).status).toBe(202);
    const { status, json } = await write(program, 'other&channel=p', token, '1');
    expect([status, json.code]).toEqual([403, 'forbidden']);
  });

  it('waits while the database does, and confirms when it has committed', async () => {
    const client = new pg.Client(driverOptions(embeddedUrl(dataDir)).pg);
    await client.connect();
    await client.query('begin');
    let isAnswered = false;
    const writing = write(program, 'paused&channel=p', operator, JSON.stringify(POINT)).finally(
      () => {
        isAnswered = true;
      },
    );
    await eventually(
      () => account(program),
      ({ inFlight }) => (inFlight ?? 0) > 0,
    );
    expect(isAnswered).toBe(false);
    await client.query('commit');
    await client.end();
    expect((await writing).status).toBe(202);
    expect(await pointsOf(program, 'paused', operator)).toEqual([['p', {}, 0, 1.5]]);
  });

  it('follows a token that comes in the URL, and says it nowhere', async () => {
    const path = `/write?db=url&u=me&p=${operator}`;
    const response = await fetch(`${program.httpUrl}${path}`, { method: 'POST', body: LINE });
    expect(response.status).toBe(204);
    const bad = await fetch(`${program.httpUrl}${path}x`, { method: 'POST', body: LINE });
    expect(bad.status).toBe(401);
    const signature = operator.split('.')[2] ?? operator;
    expect(await bad.text()).not.toContain(signature);
    expect(JSON.stringify(program.log)).not.toContain(signature);
  });
});

it('hands writes to the broker at MQTT_URL: 202 once it has them, 503 while it is away', async () => {
  setLogger({ error: () => undefined, warn: () => undefined });
  const broker = await startMosquitto({ persistence: true });
  try {
    await withDataDir(async (dataDir) => {
      const env = { MQTT_URL: broker.url, MQTT_CLIENT_ID: 'writes-test' };
      const program = await startProgram({ dataDir, env });
      const operator = await issueToken(dataDir, { tenant: 'acme', role: 'operator' });
      await eventually(
        async () => (await fetch(`${program.httpUrl}/readyz`)).status,
        (status) => status === 200,
      );
      const headers = { 'content-type': 'text/csv' };
      const body = 'time,a\n2026-06-01T12:00:00Z,1';
      expect((await write(program, 'far', operator, body, headers)).status).toBe(202);
      const isThere = () => pointsOf(program, 'far', operator);
      expect(await eventually(isThere, ({ length }) => length > 0)).toEqual([['a', {}, 0, 1]]);

      await broker.stop();
      const away = await write(program, 'far', operator, '{"a":2}');
      expect([away.status, away.json.code]).toEqual([503, 'broker_unavailable']);
      expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
      // Influx's client comes again by itself.
      const refused: unknown[] = [];
      const client = new InfluxDB({ url: program.httpUrl, token: operator });
      const api = client.getWriteApi('', 'far', 'ms', {
        ...{ minRetryDelay: 10, maxRetryDelay: 50, maxRetries: 1_000, flushInterval: 0 },
        writeFailed: (error) => void refused.push((error as HttpError).statusCode),
      });
      api.writePoint(new Point('m').floatField('a', 2).timestamp(TS + 1));
      void api.flush().catch(() => undefined);
      await eventually(
        async () => refused,
        ({ length }) => length > 0,
      );
      await broker.start();
      const both = [...(await isThere()), ['m/a', {}, 1, 2]];
      expect(await eventually(isThere, ({ length }) => length === 2, 30_000)).toEqual(both);
      await api.close();
      expect(new Set(refused)).toEqual(new Set([503]));
      expect(await program.end()).toBe(0);
    });
  } finally {
    await broker.remove();
  }
});
