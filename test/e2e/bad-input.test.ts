// Everything that comes in wrong gets its own clear answer, and the process lives on.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { driverOptions } from '../../sql/connection.ts';
import { embeddedUrl } from '../../sql/embedded/engine.ts';
import { eventually, issueToken, type Program, startProgram } from '../program.ts';

let dataDir: string;
let program: Program;
let viewer: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-'));
  program = await startProgram({ dataDir, env: { MQTT_ANONYMOUS: 'loopback' } });
  viewer = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
  const device = await mqtt.connectAsync(program.mqttUrl ?? '');
  await device.publishAsync('t/acme/rig-1/load', '1.5', { qos: 1 });
  await device.endAsync();
});

afterAll(async () => {
  const status = await program.end();
  await rm(dataDir, { recursive: true, force: true });
  expect(status).toBe(0);
});

async function newestDeadLetter(
  topic: string,
): Promise<{ code: string; payload: Buffer } | undefined> {
  const client = new pg.Client(driverOptions(embeddedUrl(dataDir)).pg);
  await client.connect();
  try {
    const { rows } = await client.query<{ code: string; payload: Buffer }>(
      'select code, payload from tailrace.dead_letter where topic = $1 order by id desc limit 1',
      [topic],
    );
    return rows[0];
  } finally {
    await client.end();
  }
}

test.each([
  { what: 'a topic that no rule takes', topic: 'plant/1/x', payload: '1', code: 'no_rule' },
  { what: 'broken JSON', topic: 't/acme/rig-1/a', payload: '{"ts":', code: 'payload_not_json' },
  {
    what: 'text that is not UTF-8',
    topic: 't/acme/rig-1/b',
    payload: Buffer.from([0xff, 0xfe, 0x00]),
    code: undefined,
  },
  {
    what: 'a reading of 1970',
    topic: 't/acme/rig-1/c',
    payload: '{"ts":1000,"value":1}',
    code: 'time_out_of_range',
  },
  {
    what: 'a reading of 2200',
    topic: 't/acme/rig-1/d',
    payload: '{"ts":"2200-01-01T00:00:00Z","value":1}',
    code: 'time_out_of_range',
  },
  {
    what: 'a number in a state series',
    topic: 't/acme/rig-1/load',
    payload: '"text"',
    code: 'kind_changed',
  },
  { what: 'infinity', topic: 't/acme/rig-1/e', payload: '{"value": Infinity}', code: undefined },
])(
  '$what is acknowledged as a dead letter that keeps its bytes',
  async ({ topic, payload, code }) => {
    const device = await mqtt.connectAsync(program.mqttUrl ?? '');
    await device.publishAsync(topic, payload, { qos: 1 });
    await device.endAsync();
    const letter = await newestDeadLetter(topic);
    expect(letter?.payload.equals(Buffer.from(payload))).toBe(true);
    if (code !== undefined) expect(letter?.code).toBe(code);
  },
);

test('a payload of 20 MB ends its connection, unacknowledged, and nobody else notices', async () => {
  const device = mqtt.connect(program.mqttUrl ?? '', { reconnectPeriod: 0 });
  const closed = new Promise<void>((resolve) => device.once('close', () => resolve()));
  let acknowledged = false;
  device.on('error', () => undefined);
  device.on('connect', () => {
    device.publish('t/acme/rig-1/huge', Buffer.alloc(20 << 20, 0x31), { qos: 1 }, (error) => {
      acknowledged = error === undefined || error === null;
    });
  });
  await closed;
  device.end(true);
  expect(acknowledged).toBe(false);
  expect((await fetch(`${program.httpUrl}/healthz`)).status).toBe(200);
});

const VALID = 'series=rig-1/load&start=now-1h&end=now';

test.each([
  { path: `/v1/range?${VALID}`, token: 'none', status: 401, code: 'token_missing' },
  { path: `/v1/range?${VALID}`, token: 'garbage', status: 401, code: 'token_invalid' },
  { path: `/v1/range?${VALID}`, token: 'expired', status: 401, code: 'token_expired' },
  { path: '/v1/range?series=rig-1/load&start=now&end=now-1h', status: 400, parameter: 'end' },
  { path: `/v1/range?${VALID}&width=0`, status: 400, parameter: 'width' },
  { path: `/v1/range?${VALID}&width=1000000000`, status: 400, parameter: 'width' },
  { path: `/v1/range?${VALID}&step=fast`, status: 400, parameter: 'step' },
  { path: '/v1/range?series=rig-9/none&start=now-1h&end=now', status: 404 },
  { path: '/v1/nothing', status: 404 },
  { path: '/v1/series?match={asset=', status: 400, parameter: 'match' },
])('GET $path ($token) is $status', async ({ path, token, status, code, parameter }) => {
  const expired = () => issueToken(dataDir, { tenant: 'acme', role: 'viewer', ttl: '1s' });
  const bearer = token === 'garbage' ? 'x.y.z' : token === 'expired' ? await expired() : viewer;
  const headers: Record<string, string> =
    token === 'none' ? {} : { authorization: `Bearer ${bearer}` };
  const ask = () => fetch(program.httpUrl + path, { headers });
  const response = await eventually(ask, (r) => token !== 'expired' || r.status === 401);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem.code).toEqual(expect.any(String));
  if (code !== undefined) expect(problem.code).toBe(code);
  if (parameter !== undefined) expect(problem.parameter).toBe(parameter);
  if (status === 401) expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
});

test('a WebSocket frame that is not JSON gets an error frame on a connection that lives on', async () => {
  const socket = new WebSocket(
    `${program.httpUrl.replace('http', 'ws')}/v1/tail`,
    ['tailrace.json'],
    {
      headers: { authorization: `Bearer ${viewer}` },
    },
  );
  const frames: { type: string; id?: string }[] = [];
  socket.on('message', (data) => frames.push(JSON.parse(String(data)) as { type: string }));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send('this is not JSON');
  await eventually(
    async () => frames,
    (all) => all.some((frame) => frame.type === 'error'),
  );
  socket.send(JSON.stringify({ type: 'subscribe', id: 'a', series: ['rig-1/load'] }));
  await eventually(
    async () => frames,
    (all) => all.some((frame) => frame.type === 'subscribed'),
  );
  socket.close();
});

test('the account of readings adds up after all of it', async () => {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const value = (outcome: string) =>
    Number(
      new RegExp(`tailrace_ingest_readings_total\\{outcome="${outcome}"\\} (\\d+)`).exec(
        text,
      )?.[1] ?? 0,
    );
  const inFlight = Number(/tailrace_ingest_in_flight (\d+)/.exec(text)?.[1]);
  const settled = ['inserted', 'duplicate', 'corrected', 'dead_lettered', 'ignored'].map(value);
  expect(value('received')).toBe(settled.reduce((a, b) => a + b, inFlight));
  expect(value('dead_lettered')).toBe(7);
});
