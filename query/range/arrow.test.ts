// Ranges as Arrow, read back by the library's own reader.
import { type Table, tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import {
  startTestQueryServer,
  type TestQueryServer,
  writeSamples,
} from '../../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
/** More than a first page. */
const POINTS = 120_000;
const MANY0 = Date.UTC(2026, 1, 1);

let database: TestDatabase;
let server: TestQueryServer;
let token: string;
let spp: number;
let many: number;

beforeAll(async () => {
  database = await openTestDatabase();
  server = await startTestQueryServer({ database: database.database });
  token = await server.token();
  spp = await writeSamples(server, T0);
  for (let from = 0; from < POINTS; from += 40_000) {
    const points = Array.from({ length: 40_000 }, (_, i) => [MANY0 + from + i, from + i] as const);
    many = (await server.write('rig-9', 'rpm', points)).id;
  }
  await server.write('rig-9', 'torque', [[MANY0 - 1_000.25, -1e300, -3]]);
});

afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function ask(query: string, accept?: string): Promise<{ response: Response; table: Table }> {
  const format = accept === undefined ? '&format=arrow' : '';
  const response = await fetch(`${server.url}/v1/range?${query}${format}`, {
    headers: { authorization: `Bearer ${token}`, ...(accept === undefined ? {} : { accept }) },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/vnd.apache.arrow.stream');
  return { response, table: tableFromIPC(new Uint8Array(await response.arrayBuffer())) };
}

const typesOf = ({ schema }: Table) =>
  Object.fromEntries(schema.fields.map(({ name, type }) => [name, String(type)]));

/** A column as it is stored: times as whole µs. */
function cells(table: Table, name: string): unknown[] {
  const column = table.getChild(name);
  if (column === null) throw new Error(`no column ${name}`);
  if (!String(column.type).startsWith('Timestamp')) return [...column];
  const us = column.data.flatMap((data) => [...(data.values as BigInt64Array)]);
  return us.map((one, row) => (column.get(row) === null ? null : Number(one)));
}

const DOMAIN = `start=${T0 / 1_000}&end=${T0 / 1_000 + 120}`;

describe('a range as Arrow', () => {
  it('has the columns of the CSV, typed', async () => {
    const { table } = await ask(`series=${spp}&${DOMAIN}&points=raw`);
    expect(typesOf(table)).toEqual({
      series: 'Int32',
      asset: 'Dictionary<Int32, Utf8>',
      channel: 'Dictionary<Int32, Utf8>',
      t: 'Timestamp<MICROSECOND, UTC>',
      v: 'Float64',
      q: 'Int16',
    });
    expect(cells(table, 'series')).toEqual([spp, spp, spp, spp]);
    expect(cells(table, 'asset')).toEqual(new Array(4).fill('rig-1'));
    expect(cells(table, 'channel')).toEqual(new Array(4).fill('mud/spp'));
    expect(cells(table, 't')).toEqual(
      [T0, T0 + 1_000, T0 + 2_000.25, T0 + 60_000].map((ms) => ms * 1_000),
    );
    expect(cells(table, 'v')).toEqual([1, 5, 3, 2]);
    expect(cells(table, 'q')).toEqual([0, 7, 0, 0]);
  });

  it('is chosen by Accept, and known again by its ETag', async () => {
    const query = `series=${spp}&${DOMAIN}&step=1m`;
    const accept = 'application/vnd.apache.arrow.stream';
    const [one, other] = [await ask(query, accept), await ask(query, accept)];
    expect(one.response.headers.get('etag')).toEqual(expect.stringContaining('W/'));
    expect(other.response.headers.get('etag')).toBe(one.response.headers.get('etag'));
  });

  it('has texts where series of states are among others', async () => {
    const { table } = await ask(`match={asset="rig-1"}&${DOMAIN}&points=raw`);
    expect(typesOf(table).v).toBe('Utf8');
    expect(new Set(cells(table, 'v'))).toEqual(
      new Set(['1', '5', '3', '2', 'drilling', 'tripping, "out"']),
    );
  });

  it('has nulls in buckets without points', async () => {
    const { table } = await ask(
      `match={channel="mud/spp"}&start=${T0 / 1_000}&end=${T0 / 1_000 + 80}&step=20s&agg=m4,mean,count&fill=null`,
    );
    expect(typesOf(table)).toMatchObject({ t_min: 'Timestamp<MICROSECOND, UTC>', mean: 'Float64' });
    expect(cells(table, 'series').slice(0, 4)).toEqual([spp, spp, spp, spp]);
    expect(cells(table, 'mean')).toEqual([3, null, null, 2, 9, null, null, null]);
    expect(cells(table, 't_min')).toEqual(
      [T0, null, null, T0 + 60_000, T0, null, null, null].map((ms) => ms && ms * 1_000),
    );
    expect(table.getChild('mean')?.nullCount).toBe(5);
    expect(table.getChild('t')?.nullCount).toBe(0);
  });

  it('tells numbers and states of buckets side by side', async () => {
    const { table } = await ask(`match={asset="rig-1"}&${DOMAIN}&step=1m&agg=last,max`);
    expect(typesOf(table)).toMatchObject({ last: 'Utf8', max: 'Float64' });
    expect(table.numRows).toBe(4);
    expect(table.getChild('max')?.nullCount).toBe(2);
  });

  it('is a schema without rows where there is nothing', async () => {
    const { table } = await ask(
      `series=${spp}&start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z`,
    );
    expect([table.numRows, table.schema.fields[0]?.name]).toEqual([0, 'series']);
  });

  it('streams raw points of any number, in several batches and one dictionary', async () => {
    const { response, table } = await ask(
      `match={asset="rig-9"}&points=raw&start=${MANY0 / 1_000 - 2}&end=${MANY0 / 1_000 + 1_000}`,
    );
    expect(response.headers.get('etag')).toBeNull();
    expect(table.numRows).toBe(POINTS + 1);
    expect(table.batches.length).toBeGreaterThan(2);
    const t = cells(table, 't');
    const v = cells(table, 'v');
    expect(t.slice(0, POINTS).find((us, n) => us !== (MANY0 + n) * 1_000)).toBeUndefined();
    expect(v.slice(0, POINTS).find((value, n) => value !== n)).toBeUndefined();
    expect([t.at(-1), v.at(-1), cells(table, 'q').at(-1)]).toEqual([
      ...[(MANY0 - 1_000.25) * 1_000, -1e300, -3],
    ]);
    expect(cells(table, 'channel').at(-1)).toBe('torque');
    expect(cells(table, 'series')[0]).toBe(many);
  });

  it('comes in pages where a limit is given', async () => {
    const { response, table } = await ask(`series=${spp}&${DOMAIN}&points=raw&limit=3`);
    expect(table.numRows).toBe(3);
    expect(response.headers.get('link')).toContain('rel="next"');
  });
});
