import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_RULES, fixedRules } from '../ingest/topics/rules.ts';
import { createWriteDoor, type OutboundMessage } from '../ingest/write/door.ts';
import { TailraceError } from '../lib/errors.ts';
import { type HttpService, openRawClient, startHttpService } from '../test/http-service.ts';
import { writeRoutes } from './write-routes.ts';

/** What was published; the broker answers what a test says. */
const published: OutboundMessage[] = [];
let answer: () => Promise<void>;

const outlet = {
  carriesContentType: () => Promise.resolve(true),
  mayLoseContentType: false,
  publish(message: OutboundMessage) {
    published.push(message);
    return answer();
  },
};
const rules = fixedRules(DEFAULT_RULES);
const door = createWriteDoor({ rules, outlet, clock: () => Date.UTC(2026, 5, 1) });

let service: HttpService;
let operator: string;

beforeAll(async () => {
  service = await startHttpService({ routes: writeRoutes(door) });
  operator = await service.token('acme', 'operator', { roles: ['operator'] });
});
afterAll(() => service.stop());
beforeEach(() => {
  published.length = 0;
  answer = () => Promise.resolve();
});

interface Sent {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

async function post(path: string, { token = operator, headers = {}, body = '1.5' }: Sent = {}) {
  const bearer = token === '' ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { ...bearer, ...headers },
    body,
  });
  const text = await response.text();
  const json = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, json };
}

describe('POST /v1/write', () => {
  it('publishes the body as it came, with its content type, and counts what it holds', async () => {
    const body = '[{"value":1},{"value":null},{"ts":0,"value":3},{"ts":1,"value":4}]';
    const headers = { 'content-type': 'application/json' };
    const { status, json } = await post('/v1/write?asset=rig&channel=mud/p', { body, headers });
    expect(status).toBe(202);
    expect(json).toMatchObject({ accepted: 1, ignored: 1, faults: [{ count: 2 }] });
    expect(json.faults[0]).toMatchObject({ code: 'time_out_of_range', reason: /1990/ });
    const [message] = published;
    expect(Buffer.from(message?.payload ?? []).toString()).toBe(body);
    const topic = 't/acme/rig/mud/p';
    expect(message).toMatchObject({ tenant: 'acme', topic, contentType: 'application/json' });
  });

  it('takes keys as channels where there is no channel', async () => {
    const { status } = await post('/v1/write?asset=rig', { body: '{"a":1,"b":2}' });
    expect([status, published[0]?.topic]).toEqual([202, 't/acme/rig/_']);
  });

  it.each([
    ['no asset', '/v1/write', {}, 400, 'missing_parameter', 'asset'],
    ['an asset that is no name', '/v1/write?asset=a/b', {}, 400, 'bad_parameter', 'asset'],
    ['a wildcard', '/v1/write?asset=a&channel=b/%23', {}, 400, 'bad_parameter', 'channel'],
    ['an empty part', '/v1/write?asset=a&channel=b//c', {}, 400, 'bad_parameter', 'channel'],
    [
      ...['too many levels', `/v1/write?asset=a&channel=${'b/'.repeat(97)}c`, {}, 400],
      ...['bad_parameter', 'channel'],
    ],
    ['nothing', '/v1/write?asset=a&channel=b', { body: '' }, 400, 'payload_empty'],
    ['a time of 1970', '/v1/write?asset=a', { body: '{"ts":5,"x":1}' }, 400, 'time_out_of_range'],
    ['a reading without a place', '/v1/write?asset=a', {}, 400, 'channel_missing'],
    [
      ...['another encoding', '/v1/write?asset=a&channel=b'],
      ...[{ headers: { 'content-encoding': 'br' } }, 415, 'unsupported_encoding'],
    ],
    [
      ...['what is not gzip though it says so', '/v1/write?asset=a&channel=b'],
      ...[{ headers: { 'content-encoding': 'gzip' } }, 400, 'bad_request'],
    ],
    [
      ...['17 MB', '/v1/write?asset=a&channel=b'],
      ...[{ body: new Uint8Array(17 << 20) }, 413, 'body_too_large'],
    ],
    [
      ...['what inflates to more than a body may have', '/v1/write?asset=a&channel=b'],
      ...[{ body: new Uint8Array(gzipSync(Buffer.alloc(17 << 20))) }, 413, 'payload_too_large'],
    ],
    ['no token', '/v1/write?asset=a&channel=b', { token: '' }, 401, 'token_missing'],
  ] as [string, string, Sent, number, string, string?][])(
    'refuses %s',
    async (_what, path, sent, status, code, parameter) => {
      const found = await post(path, sent);
      expect([found.status, found.json.code]).toEqual([status, code]);
      expect(found.headers.get('content-type')).toBe('application/problem+json');
      if (parameter !== undefined) expect(found.json.parameter).toBe(parameter);
      expect(published).toEqual([]);
    },
  );

  it('takes credentials in no form but Bearer', async () => {
    const path = `/v1/write?asset=a&channel=b&p=${operator}`;
    const forms = [
      { token: '' },
      { token: '', headers: { authorization: `Token ${operator}` } },
      { token: '', headers: { authorization: `Basic ${btoa(`u:${operator}`)}` } },
    ];
    for (const form of forms) expect((await post(path, form)).status).toBe(401);
  });

  it('writes none of a payload of which one series may not be written', async () => {
    const token = await service.token('acme', 'cleared', {
      roles: ['operator'],
      claims: { device: 'rig' },
    });
    const own = await post('/v1/write?asset=rig&channel=b', { token });
    expect(own.status).toBe(202);
    published.length = 0;
    const other = await post('/v1/write?asset=other&channel=b', { token });
    expect([other.status, other.json.code]).toEqual([403, 'forbidden']);
    expect(other.json.detail).toContain('rig');
    const viewer = await service.token('acme', 'viewer');
    const answered = await post('/v1/write?asset=rig&channel=b', { token: viewer });
    expect(answered.json.detail).toBe('role viewer may not write (admin, device, operator may)');
    expect(published).toEqual([]);
  });

  it('says when to come again where the broker takes nothing', async () => {
    answer = () =>
      Promise.reject(
        new TailraceError('broker_unavailable', 'away', { details: { retry_after_s: 2 } }),
      );
    const { status, json, headers } = await post('/v1/write?asset=a&channel=b');
    expect([status, json.code, headers.get('retry-after')]).toEqual([
      503,
      'broker_unavailable',
      '2',
    ]);
  });
});

describe.each([
  ['/api/v2/write', 'bucket', 429],
  ['/write', 'db', 503],
])('POST %s', (path, place, whenLimited) => {
  const at = `${path}?${place}=`;
  const body = 'm,site=north v=1 1780185600000000000';

  it.each([
    ['an asset', 'rig', 't/acme/rig/_'],
    ['an asset and a channel', 'rig/mud/p', 't/acme/rig/mud/p'],
  ])(`takes as ${place} %s`, async (_what, name, topic) => {
    const { status, json, headers } = await post(`${at}${name}`, { body });
    expect([status, json, headers.get('content-length')]).toEqual([204, undefined, null]);
    expect(published[0]?.topic).toBe(topic);
  });

  it.each(['Token', 'Bearer', 'Basic', 'the URL'])('takes a token as %s', async (form) => {
    const given = form === 'Basic' ? btoa(`anybody:${operator}`) : operator;
    const headers = form === 'the URL' ? {} : { authorization: `${form} ${given}` };
    const query = form === 'the URL' ? `&u=anybody&p=${operator}` : '';
    expect((await post(`${at}rig${query}`, { token: '', headers, body })).status).toBe(204);
  });

  it('takes an empty body, with which clients try their rights, and publishes nothing', async () => {
    expect((await post(`${at}rig`, { body: '' })).status).toBe(204);
    const viewer = await service.token('acme', 'viewer');
    expect((await post(`${at}rig`, { body: '', token: viewer })).status).toBe(403);
    expect(published).toEqual([]);
  });

  it.each(['ns', 'us', 'ms', 's', 'u', 'n'])('takes the precision %s', async (precision) => {
    expect((await post(`${at}rig&precision=${precision}`, { body })).status).toBe(204);
  });

  it.each([
    ['no place', path, {}, 400, 'missing_parameter'],
    ['a precision that there is none of', `${at}rig&precision=h`, {}, 400, 'bad_parameter'],
    ['an empty part', `${at}rig//p`, {}, 400, 'bad_parameter'],
    ['what is no line', `${at}rig`, { body: 'x' }, 400, 'line_invalid'],
    ['another token', `${at}rig`, { token: 'a.b.c' }, 401, 'token_invalid'],
  ] as [string, string, Sent, number, string][])(
    'refuses %s in words that its clients read',
    async (_what, url, sent, status, code) => {
      const found = await post(url, { body, ...sent });
      expect([found.status, found.json.code]).toEqual([status, code]);
      expect(found.headers.get('content-type')).toBe('application/json');
      expect(found.json).toMatchObject({ message: found.json.detail, error: found.json.detail });
      expect(JSON.stringify(found.json)).not.toContain(operator);
    },
  );

  it(`answers too many requests with ${whenLimited}`, async () => {
    const limited = await startHttpService({
      routes: writeRoutes(door),
      amounts: (amounts) => ({ ...amounts, subject: { ...amounts.subject, requestsPerS: 1 } }),
    });
    try {
      const token = await limited.token('acme', 'busy', { roles: ['operator'] });
      const send = () =>
        fetch(`${limited.url}${at}rig`, {
          ...{ method: 'POST', body, headers: { authorization: `Token ${token}` } },
        });
      const statuses = new Set([(await send()).status]);
      const last = await send();
      statuses.add(last.status);
      expect([...statuses]).toEqual([204, whenLimited]);
      expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
      await last.arrayBuffer();
    } finally {
      await limited.stop();
    }
  });
});

describe('clients of InfluxDB 1', () => {
  it('create their database, in the URL or in a form', async () => {
    const q = encodeURIComponent('CREATE DATABASE "telegraf"');
    const results = { results: [{ statement_id: 0 }] };
    expect((await post(`/query?q=${q}`)).json).toEqual(results);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await post('/query', { headers, body: `q=${q}` })).json).toEqual(results);
  });

  it.each([
    ['SELECT * FROM cpu', 'bad_parameter'],
    ['CREATE DATABASE a; DROP DATABASE b', 'bad_parameter'],
    ['', 'missing_parameter'],
  ])('are told that nothing else is answered: %s', async (q, code) => {
    const { status, json } = await post(`/query?q=${encodeURIComponent(q)}`);
    expect([status, json.code, typeof json.error]).toEqual([400, code, 'string']);
  });

  it('find somebody at /ping, whose answer has no length, which some refuse', async () => {
    const client = openRawClient(service.port);
    client.send('GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await new Promise((resolve) => client.socket.once('data', resolve));
    client.socket.destroy();
    expect(client.received()).toMatch(/^HTTP\/1.1 204 .*\r\nX-Influxdb-Version: tailrace\r\n/s);
    expect(client.received()).not.toMatch(/content-length/i);
    expect((await fetch(`${service.url}/ping`, { method: 'HEAD' })).status).toBe(204);
  });
});

it('takes what is compressed for what it is', async () => {
  const body = new Uint8Array(gzipSync('2.5'));
  const headers = { 'content-encoding': 'gzip' };
  const { status } = await post('/v1/write?asset=a&channel=b', { body, headers });
  expect(status).toBe(202);
});
