// Raw points of any span: streamed, in order, to readers of every pace, and cut where the right to them ends.
import { get, type IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../policies/grant.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { eventually } from '../../test/program.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const T0_MS = Date.UTC(2026, 0, 2);
/** More than a first page and two slices. */
const POINTS = 230_000;
const STATES = 12_000;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let nowMs = T0_MS + 1_000_000;
/** What the policy says now. */
let ruling: (grant: Grant) => Grant = (grant) => grant;
let wide: number;
let state: number;

const numberOf = (n: number) => (n % 7 === 4 ? 1.5e-9 : n / 8);
const qualityOf = (n: number) => (n % 50_000 === 49_999 ? 64 : 0);
const timeOf = (n: number) => T0_MS + n + (n % 10 === 0 ? 0.25 : 0);

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({
    ...{ database: database.database, clock: () => nowMs },
    policy: (shipped) => ({
      ...shipped,
      decide(input) {
        const grant = shipped.decide(input);
        const ruled = ruling(grant);
        return ruled === grant ? grant : { ...ruled, decisionId: 'another' };
      },
    }),
  });
  token = await server.token();
  for (let from = 0; from < POINTS; from += 50_000) {
    const count = Math.min(50_000, POINTS - from);
    const numbers = Array.from({ length: count }, (_, i) => from + i);
    const points = numbers.map((n) => [timeOf(n), numberOf(n), qualityOf(n)] as const);
    wide = (await server.write('rig, 1', 'spp', points)).id;
  }
  const states = Array.from({ length: STATES }, (_, n) => [T0_MS + n, `state "${n}"`] as const);
  state = (await server.write('rig, 1', 'activity', states)).id;
  await server.write('rig-2', 'spp', [[T0_MS, 1]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

const RANGE = `/v1/range?match={}&points=raw&start=${T0_MS / 1_000}&end=${T0_MS / 1_000 + 1_000}`;

function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
  return fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

/** Asks with a reader of its own pace; what comes is not read until somebody does. */
function askSlowly(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { headers: { authorization: `Bearer ${token}`, ...headers }, agent: false };
    get(`${server.url}${path}`, options, resolve).on('error', reject);
  });
}

async function rowsRead(): Promise<number> {
  const lines = (await server.metrics.exposition()).split('\n');
  const line = lines.find((one) => one.startsWith('tailrace_query_rows_read_total '));
  return Number(line?.split(' ')[1]);
}

function expectCsv(text: string): void {
  const lines = text.split('\n');
  expect(lines[0]).toBe('series,asset,channel,t,v,q');
  expect(lines).toHaveLength(POINTS + STATES + 3);
  const wanted = (n: number) => {
    const us = Math.round(timeOf(n) * 1_000);
    const iso = new Date(Math.floor(us / 1_000)).toISOString().slice(0, -1);
    const time = us % 1_000 === 0 ? iso.replace(/\.000$/, '') : `${iso}250`;
    return `${wide},"rig, 1",spp,${time}Z,${numberOf(n)},${qualityOf(n)}`;
  };
  const numbers = lines.slice(1, POINTS + 1);
  expect(numbers.find((line, n) => line !== wanted(n))).toBeUndefined();
  expect(lines[POINTS + 1]).toBe(`${state},"rig, 1",activity,2026-01-02T00:00:00Z,"state ""0""",0`);
  expect(lines.at(-2)).toMatch(/,rig-2,spp,2026-01-02T00:00:00Z,1,0$/);
}

describe('raw points without a limit', () => {
  it('come as one CSV, however many there are', async () => {
    const response = await ask(`${RANGE}&format=csv`);
    expect(response.status).toBe(200);
    const { headers } = response;
    expect([headers.get('etag'), headers.get('link'), headers.get('content-length')]).toEqual([
      ...[null, null, null],
    ]);
    expectCsv(await response.text());
  });

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])('come as %s', async (encoding, decode) => {
    const response = await askSlowly(`${RANGE}&format=csv`, { 'accept-encoding': encoding });
    expect(response.headers['content-encoding']).toBe(encoding);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expectCsv(decode(Buffer.concat(chunks)).toString());
  });

  it('come as NDJSON, with the quality where it is not good', async () => {
    const response = await ask(`${RANGE}&format=ndjson`);
    const rows = (await response.text()).trimEnd().split('\n');
    expect(rows).toHaveLength(POINTS + STATES + 1);
    const head = { series: wide, asset: 'rig, 1', channel: 'spp' };
    expect(JSON.parse(rows[10]!)).toEqual({ ...head, t: T0_MS + 10.25, v: 1.25 });
    expect(rows[4]).toContain('"v":1.5e-9}');
    const n = 149_999;
    expect(JSON.parse(rows[n]!)).toEqual({ ...head, t: T0_MS + n, v: n / 8, q: 64 });
    expect(JSON.parse(rows[POINTS + 1]!)).toMatchObject({ series: state, v: 'state "1"' });
  });

  it('come later by an offset', async () => {
    const path = `/v1/range?series=${wide}&points=raw&format=csv&offset=1h`;
    const hour = T0_MS / 1_000 + 3_600;
    const response = await ask(`${path}&start=${hour}&end=${hour + 1_000}`);
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines).toHaveLength(POINTS + 1);
    expect(lines[1]).toContain('2026-01-02T01:00:00.000250Z');
    expect(lines.at(-1)).toContain('2026-01-02T01:03:49.999Z');
  });

  it('answer a HEAD as they would answer a GET', async () => {
    const response = await ask(`${RANGE}&format=csv`, {}, 'HEAD');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      ...[200, 'text/csv; charset=utf-8; header=present'],
    ]);
    expect(await response.text()).toBe('');
  });

  it('wait for a slow reader, who gets all of them', async () => {
    const before = await rowsRead();
    const response = await askSlowly(`${RANGE}&format=csv`);
    response.pause();
    const chunks: Buffer[] = [];
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      if (chunks.length % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expectCsv(Buffer.concat(chunks).toString());
    expect((await rowsRead()) - before).toBeGreaterThanOrEqual(POINTS + STATES);
  });
});

describe('long texts', () => {
  const TEXTS = 1_200;
  const textOf = (n: number) => `${n} ${'x'.repeat(20_000)}`;
  const path = '/v1/range?series=logger/lines&points=raw&start=0&end=now';

  beforeAll(async () => {
    const points = Array.from({ length: TEXTS }, (_, n) => [T0_MS + n, textOf(n)] as const);
    await server.write('logger', 'lines', points);
  });

  it('make pages shorter: an answer of a hundred thousand would be more than a process holds', async () => {
    const values: string[] = [];
    let pages = 0;
    for (let page: string | undefined = ''; page !== undefined; pages += 1) {
      const body = await readJson(await ask(`${path}${page && `&page=${page}`}`));
      values.push(...body.series[0].v);
      page = body.next;
    }
    expect(pages).toBe(2);
    expect(values.findIndex((value, n) => value !== textOf(n))).toBe(-1);
    expect(values).toHaveLength(TEXTS);
  });

  it('come as one answer of text all the same', async () => {
    const text = await (await ask(`${path}&format=ndjson`)).text();
    const rows = text.trimEnd().split('\n');
    expect(rows).toHaveLength(TEXTS);
    expect(rows.findIndex((row, n) => JSON.parse(row).v !== textOf(n))).toBe(-1);
  });
});

/** Reads the beginning, does something, and reads on. */
async function interrupted(act: () => Promise<unknown> | unknown, format = 'csv') {
  const response = await askSlowly(`${RANGE}&format=${format}`);
  const ended = new Promise<'complete' | 'cut'>((resolve) => {
    response.on('error', () => resolve('cut'));
    response.on('close', () => resolve(response.complete ? 'complete' : 'cut'));
  });
  await new Promise<void>((resolve) => response.once('readable', resolve));
  response.pause();
  await act();
  response.resume();
  return ended;
}

describe('a stream is cut', () => {
  it('not, where nothing happens', async () => {
    expect(await interrupted(() => undefined)).toBe('complete');
  });

  it('where its token is over', async () => {
    const [kept, keptMs] = [token, nowMs];
    token = await server.token({ ttlS: 60 });
    expect(
      await interrupted(() => {
        nowMs += 120_000;
      }),
    ).toBe('cut');
    [token, nowMs] = [kept, keptMs];
  });

  it('where its token is revoked', async () => {
    const kept = token;
    token = await server.token({ claims: { sub: 'somebody', jti: 'once' } });
    const revoke = () =>
      server.revocations.add({ tenant: 'acme', tokenId: 'once', revokedAtMs: nowMs });
    expect(await interrupted(revoke)).toBe('cut');
    token = kept;
  });

  it.each<[string, 'complete' | 'cut', (grant: Grant) => Grant]>([
    ['denies', 'cut', (grant) => ({ ...grant, allow: false, reason: 'over', selectors: [] })],
    ['obliges to a minute', 'cut', (grant) => ({ ...grant, obligations: { finest_step_ms: 6e4 } })],
    [
      'shows one series less',
      'cut',
      (grant) => ({ ...grant, selectors: [[{ label: 'channel', op: '=', value: 'spp' }]] }),
    ],
    ['says the same in other words', 'complete', (grant) => ({ ...grant, reason: 'as ever' })],
  ])('or not, where the policy %s from now on: %s', async (_, outcome, rule) => {
    const act = () => {
      ruling = rule;
    };
    expect(await interrupted(act)).toBe(outcome);
    ruling = (grant) => grant;
  });

  it('by a client that goes away, and reading ends with it', async () => {
    const before = await rowsRead();
    const response = await askSlowly(`${RANGE}&format=csv`);
    await new Promise<void>((resolve) => response.once('readable', resolve));
    response.destroy();
    const inFlight = async () => {
      const lines = (await server.metrics.exposition()).split('\n');
      return lines.find((line) => line.startsWith('tailrace_requests_in_flight_size '));
    };
    await eventually(inFlight, (line) => line?.endsWith(' 0') === true);
    expect((await rowsRead()) - before).toBeLessThan(POINTS + STATES);
  });
});
