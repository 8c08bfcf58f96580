// What must not be asked of a range, row by row: each is refused by a 4xx that names the parameter, and costs nothing.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import {
  readJson,
  startTestQueryServer,
  type TestQueryServer,
  writeSamples,
} from '../../test/query-server.ts';
import { RANGE_PARAMETERS } from './parameters.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
const SERIES_COUNT = 10_000;

let database: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  await writeSamples(server, T0);
  await server.write('rig-1', 'mud/flow', [[T0, 4]], { unit: 'l/min' });
  const names = Array.from({ length: SERIES_COUNT }, (_, i) => `channel-${i}`);
  await server.catalogue.ensure(
    names.map((channel) => ({
      ...{ tenant: 'acme', asset: 'many', channel, labels: {}, kind: 'number' as const },
      firstUs: T0 * 1_000,
    })),
  );
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

const HOUR = 'start=2026-01-02T03:00:00Z&end=2026-01-02T04:00:00Z';
const SPP = `series=rig-1/mud/spp`;

function ask(query: string): Promise<Response> {
  return fetch(`${server.url}/v1/range?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
}

const escaped = encodeURIComponent;

/** What is asked, and the status and parameter of the refusal. */
type Row = readonly [what: string, query: string, status: number, parameter: string];

const domains: readonly Row[] = [
  ['a reversed range', `${SPP}&start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z`, 400, 'end'],
  ['an empty range', `${SPP}&start=2026-01-02T00:00:00Z&end=2026-01-02T00:00:00Z`, 400, 'end'],
  ['a start that is yet to come', `${SPP}&start=now%2B1h`, 400, 'end'],
  ['no start', SPP, 400, 'start'],
  ['two starts', `${SPP}&start=0&start=1`, 400, 'start'],
  ...['yesterday', 'NaN', 'Infinity', '1e9', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z'].map(
    (text): Row => [`the start ${text}`, `${SPP}&start=${text}`, 400, 'start'],
  ),
  ['a start without its zone', `${SPP}&start=2026-01-01T00:00:00`, 400, 'start'],
  ['the year 12026', `${SPP}&start=0&end=12026-01-01T00:00:00Z`, 400, 'end'],
  ['a time before any calendar', `${SPP}&start=now-999999999w`, 400, 'start'],
];

const steps: readonly Row[] = [
  ...['0', '1e9', '1000000000', '-1', '1.5', 'wide', '0x10'].map(
    (text): Row => [`the width ${text}`, `${SPP}&${HOUR}&width=${text}`, 400, 'width'],
  ),
  ...['0s', '60', 'm', '-1s', '1.5h', '1e3s', '1h 30m', '1mo1d', '1h30', '200y', '1fortnight'].map(
    (text): Row => [`the step ${text}`, `${SPP}&${HOUR}&step=${escaped(text)}`, 400, 'step'],
  ),
  ['a step and a width', `${SPP}&${HOUR}&step=1m&width=100`, 400, 'step'],
  ['raw points with a step', `${SPP}&${HOUR}&points=raw&step=1m`, 400, 'points'],
  [
    'a millisecond over a year',
    `${SPP}&start=2025-01-01T00:00:00Z&end=2026-01-01T00:00:00Z&step=1ms`,
    422,
    'step',
  ],
  [
    'a second over a month of a thousand series',
    `match={channel=~"channel-[0-9]{1,2}"}&start=0&end=2592000&step=1s`,
    422,
    'step',
  ],
  [
    'days of a zone over millennia',
    `${SPP}&start=0005-01-01T00:00:00Z&end=9999-01-01T00:00:00Z&step=1d&tz=Europe/Oslo`,
    422,
    'step',
  ],
  ...[
    'Mars/Olympus',
    'PST',
    'GMT%2B5',
    '%2B25:00',
    '2026-01-01[Europe/Oslo]',
    "'; select 1",
    '../../etc/passwd',
    `A${'a'.repeat(9_000)}`,
  ].map(
    (text): Row => [
      `the zone ${text.slice(0, 30)}`,
      `${SPP}&${HOUR}&step=1d&tz=${text}`,
      400,
      'tz',
    ],
  ),
  ...[
    '7',
    'd',
    '--1d',
    '7days',
    '1mo',
    '1e3s',
    '36526d',
    '-36526d',
    `${'9'.repeat(300)}d`,
    'now',
    '1d;',
  ].map(
    (text): Row => [
      `the offset ${text.slice(0, 30)}`,
      `${SPP}&${HOUR}&offset=${escaped(text)}`,
      400,
      'offset',
    ],
  ),
  ['two offsets', `${SPP}&${HOUR}&offset=1d&offset=2d`, 400, 'offset'],
];

const NESTED = '(((((((((((a{1,30}){1,30}){1,30}){1,30}){1,30}){1,30})))))){1,30}';

const choices: readonly Row[] = [
  ['neither series nor match', HOUR, 400, 'series'],
  ['both series and match', `${SPP}&match={}&${HOUR}`, 400, 'match'],
  ['a series that is not there', `series=rig-9/none&${HOUR}`, 404, 'series'],
  ['an id beyond all', `series=9999999999&${HOUR}`, 404, 'series'],
  ['more series than an answer has', `match={asset="many"}&${HOUR}`, 400, 'match'],
  [
    '10,000 series by name',
    `${Array.from({ length: 1_001 }, (_, i) => `series=${i}`).join('&')}&${HOUR}`,
    400,
    'series',
  ],
  ...[
    '{',
    '{asset}',
    '{asset="a"',
    '{asset==1}',
    'rig-1/mud/spp',
    '{asset=~"("}',
    '{asset=~"a{1,99999}"}',
    '{asset=~"(?=a)b"}',
    '{asset=~"(a)\\\\1"}',
    `{asset=~"${NESTED}"}`,
  ].map(
    (text): Row => [
      `the selector ${text.slice(0, 40)}`,
      `match=${escaped(text)}&${HOUR}`,
      400,
      'match',
    ],
  ),
];

const rest: readonly Row[] = [
  ...['p42', 'M4', 'm4,', ',', 'mean;sum', 'avg', '__proto__', 'constructor'].map(
    (text): Row => [`the aggregate ${text}`, `${SPP}&${HOUR}&agg=${escaped(text)}`, 400, 'agg'],
  ),
  ['an aggregate of raw points', `${SPP}&${HOUR}&points=raw&agg=mean`, 400, 'agg'],
  ['raw points filled', `${SPP}&${HOUR}&points=raw&fill=null`, 400, 'fill'],
  ['an unknown fill', `${SPP}&${HOUR}&fill=zero`, 400, 'fill'],
  ['an unknown format', `${SPP}&${HOUR}&format=xml`, 400, 'format'],
  ['an unknown index', `${SPP}&${HOUR}&index=phase`, 400, 'index'],
  ['a limit of buckets', `${SPP}&${HOUR}&limit=5`, 400, 'limit'],
  ...['0', '-1', '1e6', '1000001', 'all'].map(
    (text): Row => [`the limit ${text}`, `${SPP}&${HOUR}&points=raw&limit=${text}`, 400, 'limit'],
  ),
  ...[
    'x',
    'bnVsbA',
    escaped('[1,2,3,4,5]'),
    Buffer.from('["a",1,2,3,1e400]').toString('base64url'),
  ].map((text): Row => [`the page ${text}`, `${SPP}&${HOUR}&points=raw&page=${text}`, 400, 'page']),
];

describe('a range is refused', () => {
  it.each([...domains, ...steps, ...choices, ...rest])('for %s', async (_, query, status, name) => {
    const sinceMs = performance.now();
    const response = await ask(query);
    const problem = await readJson(response);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect({ status: response.status, parameter: problem.parameter }).toEqual({
      status,
      parameter: name,
    });
    expect(problem).toMatchObject({ code: expect.any(String), detail: expect.any(String) });
    // Before anything was read: nobody's loop or database was busy with it.
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
  });

  it('for a URL that is longer than any', async () => {
    const series = Array.from({ length: 1_200 }, (_, i) => `series=many/channel-${i}`);
    expect((await ask(`${series.join('&')}&${HOUR}`)).status).toBe(414);
    expect((await ask(`match={asset="${'x'.repeat(20_000)}"}&${HOUR}`)).status).toBe(414);
  });

  it('for a page of another query, another offset or another domain', async () => {
    const path = `${SPP}&${HOUR}&points=raw&limit=1`;
    const { next } = await readJson(await ask(path));
    expect((await ask(`${path}&page=${next}`)).status).toBe(200);
    for (const other of [
      `series=rig-2/mud/spp&${HOUR}&points=raw&limit=1`,
      `${path}&offset=1h`,
      `${SPP}&start=2026-01-02T03:00:00Z&end=2026-01-02T05:00:00Z&points=raw&limit=1`,
    ]) {
      const refused = await ask(`${other}&page=${next}`);
      expect([refused.status, (await readJson(refused)).parameter]).toEqual([400, 'page']);
    }
  });

  it('with a step that is admitted, where it is too costly', async () => {
    const year = `${SPP}&start=2025-01-01T00:00:00Z&end=2026-01-01T00:00:00Z`;
    const { step } = await readJson(await ask(`${year}&step=1ms`));
    expect((await ask(`${year}&step=${step}`)).status).toBe(200);
  });
});

describe('a range takes for what it is', () => {
  const SQL = [
    "'; drop table tailrace.reading; --",
    '$1',
    '\\',
    '%s',
    '"',
    'x\u0000y',
    '{{}}',
    '🦀',
  ];

  it.each(RANGE_PARAMETERS.map(({ name }) => name))('SQL in %s', async (name) => {
    for (const text of SQL) {
      const query = new URLSearchParams(`${SPP}&${HOUR}`);
      if (name === 'match') query.delete('series');
      query.set(name, text);
      const response = await ask(query.toString());
      const problem = await readJson(response);
      expect([response.status, problem.parameter], text).toEqual([
        name === 'series' ? 404 : 400,
        name,
      ]);
    }
    expect((await readJson(await ask(`${SPP}&${HOUR}&step=1h&agg=count`))).series[0].count).toEqual(
      [4],
    );
  });

  it('SQL within a selector, which finds nothing', async () => {
    for (const text of SQL) {
      const match = `{asset=${JSON.stringify(text)}}`;
      const response = await ask(`match=${escaped(match)}&${HOUR}`);
      expect([200, 400]).toContain(response.status);
      if (response.status === 200) expect((await readJson(response)).series).toEqual([]);
    }
  });

  it('bytes that are no UTF-8, escaped and bare', async () => {
    expect((await ask(`series=%ff%fe/%c0%80&${HOUR}`)).status).toBe(404);
    expect((await ask(`match=%ff&${HOUR}`)).status).toBe(400);
    expect((await ask(`${SPP}&start=%80`)).status).toBe(400);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const path = `/v1/range?series=\u00ff\u00fe/\u00c0&${HOUR}`;
      const headers = { authorization: `Bearer ${token}` };
      request(`${server.url}`, { path, headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect([400, 404]).toContain(status);
  });

  it('a regular expression that others would never finish', async () => {
    const sinceMs = performance.now();
    const match = '{channel=~"(a+)+(channel-[0-9]+)*(c|ch|cha)*$"}';
    const response = await ask(`match=${escaped(match)}&${HOUR}`);
    expect([200, 400, 422]).toContain(response.status);
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
  });

  it('series of several units, each with its own', async () => {
    const { series } = await readJson(await ask(`${SPP}&series=rig-1/mud/flow&${HOUR}&step=1h`));
    expect(series.map(({ unit }: { unit: string | null }) => unit)).toEqual([null, 'l/min']);
  });
});
