// Each class of failure, as the engine raises it: what is tried again, what pauses the writer and for how long, and
// what is given back. Nothing resolves before it is committed.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type Database, openDatabase } from '../sql/connection.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { openLine } from '../test/line.ts';
import { ROW_OUTCOME, type WriteOutcome } from './readings.ts';
import { batchOf } from './testing.ts';
import { createWriter, type Writer } from './writer.ts';

const log = createLog('silent');
const WAIT = { timeout: 20_000 };
const DAY = 86_400_000_000;
/** Just after the last moment that PostgreSQL's timestamps reach, in 294276. */
const BEYOND_PG_US = 9_224_318_184_800_000_000;
/** A day of its own for each test. */
let T = 1_700_006_400_000_000;

let opened: TestDatabase;
let database: Database;
let writer: Writer;
let metrics: ReturnType<typeof createMetrics>;

beforeAll(async () => {
  opened = await openTestDatabase();
  database = opened.database;
  // A function in a check constraint raises what a table says, as often as a sequence allows.
  await select(`
    insert into tailrace.series (tenant, asset, channel, value_kind)
    select 't', 'a', 'c' || i, 'number' from generate_series(1, 200) i;
    create table public.trouble (value float8, code text, times int);
    create sequence public.trouble_raised;
    create function public.no_trouble(v float8) returns boolean language plpgsql as $$
    declare t record; begin
      select * into t from public.trouble where value = v;
      if not found then return true; end if;
      if t.code = '23514' then return false; end if;
      if nextval('public.trouble_raised') > t.times then return true; end if;
      raise exception 'as the test wants it' using errcode = t.code;
    end $$;
    alter table tailrace.reading add constraint no_trouble check (value < 1e9 or public.no_trouble(value))`);
});
afterAll(() => opened.dispose());
beforeEach(async () => {
  T += 3 * DAY;
  await select('delete from public.trouble; alter sequence public.trouble_raised restart');
});

async function select<Row = Record<string, unknown>>(text: string): Promise<Row[]> {
  return (await database.writer.query(text)).rows as Row[];
}

const at = (us: number) => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;

async function storedCount(): Promise<number> {
  const [row] = await select<{
    count: number;
  }>(`select count(*)::int4 as count from tailrace.reading
    where time >= ${at(T)} and time < ${at(T + DAY)}`);
  return row?.count ?? 0;
}

async function withWriter<R>(target: Pick<Database, 'writer'>, use: () => Promise<R>): Promise<R> {
  metrics = createMetrics();
  writer = createWriter({ database: target, log, metrics });
  try {
    return await use();
  } finally {
    await writer.stop();
  }
}

const raise = (value: number, code: string, times: number) =>
  select(`insert into public.trouble values (${value}, '${code}', ${times})`);

const write = (...values: number[]) =>
  writer.write(batchOf(values.map((v, i) => ({ id: 1 + i, t: T + i, v }))));

/** Failed attempts by kind. */
async function failures(): Promise<Record<string, number>> {
  const text = await metrics.exposition();
  const found = text.matchAll(/^tailrace_writer_failures_total\{failure="(\w+)"\} (\d+)/gm);
  return Object.fromEntries(Array.from(found, ([, kind, count]) => [kind, Number(count)]));
}

describe('what the engine raises', () => {
  it.each(['40001', '40P01'])('%s is tried again at once', async (code) => {
    await raise(1e9, code, 2);
    const outcome = await withWriter(database, () => write(1, 1e9));
    expect(outcome).toMatchObject({ inserted: 2, refused: [] });
    expect(await failures()).toEqual({ transient: 2 });
  });

  it.each([
    ['53100', 'exhausted'],
    ['57014', 'cancelled'],
    ['P0001', 'unknown'],
  ])('%s pauses the writer, which says so, and goes on by itself', async (code, kind) => {
    await raise(2e9, code, 1_000_000);
    await withWriter(database, async () => {
      let committed: WriteOutcome | undefined;
      const writing = write(1, 2e9).then((outcome) => {
        committed = outcome;
      });
      const next = write(3, 4);
      await expect.poll(() => writer.detail, WAIT).toBe(`paused (${code})`);
      expect(writer.state).toBe('paused');
      expect(await metrics.exposition()).toMatch(/^tailrace_writer_paused 1$/m);
      expect(committed).toBeUndefined();
      expect(await storedCount()).toBe(0);
      await select('delete from public.trouble');
      await writing;
      expect(committed).toMatchObject({ inserted: 2 });
      expect(await next).toMatchObject({ corrected: 2 });
      expect(writer.detail).toBe('writing');
    });
    expect(Object.keys(await failures())).toContain(kind);
  });

  it('25006: a database that takes no writes is waited for, though its sessions would stay as they are', async () => {
    const name = new URL(opened.url.replace('@/', '@localhost/')).pathname.slice(1);
    // The embedded engine's one session has begun already.
    const readOnly = (on: boolean) =>
      database.embedded
        ? select(`delete from public.trouble; insert into public.trouble
            select 5e9, '25006', 1000000 where ${on}`)
        : select(`alter database ${name} set default_transaction_read_only = ${on}`);
    const fresh = await openDatabase({ url: opened.url, embedded: database.embedded, log });
    await readOnly(true);
    await withWriter(fresh, async () => {
      const writing = write(1, 5e9);
      await expect.poll(() => writer.detail, WAIT).toBe('paused (25006)');
      await readOnly(false);
      expect(await writing).toMatchObject({ inserted: 2 });
    });
    await fresh.stop();
  });

  it('one poison row of 50,000 is found by halving, in as many attempts as halves there are', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ id: 1 + (i % 200), t: T + i, v: i }));
    rows[31_234] = { id: 7, t: BEYOND_PG_US, v: 1 };
    const outcome = await withWriter(database, () => writer.write(batchOf(rows)));
    expect(outcome).toMatchObject({ inserted: 49_999, refused: [{ row: 31_234, code: '22008' }] });
    expect(outcome.rowOutcomes.indexOf(ROW_OUTCOME.refused)).toBe(31_234);
    expect(await storedCount()).toBe(49_999);
    const { bad_row = 0 } = await failures();
    expect(bad_row).toBeLessThanOrEqual(17);
  }, 60_000);

  it('57014: rows that take longer than statement_timeout are written in halves', async () => {
    await raise(6e9, '57014', 2);
    const rows = Array.from({ length: 8000 }, (_, i) => ({ id: 1 + (i % 200), t: T + i, v: i }));
    rows[5000] = { id: 7, t: T + 5000, v: 6e9 };
    const outcome = await withWriter(database, () => writer.write(batchOf(rows)));
    expect(outcome).toMatchObject({ inserted: 8000, duplicate: 0, refused: [] });
    expect(await failures()).toEqual({ cancelled: 2 });
  });

  it('23514: what a constraint refuses is given back too', async () => {
    await raise(3e9, '23514', 0);
    const outcome = await withWriter(database, () => write(1, 3e9, 2));
    expect(outcome).toMatchObject({ inserted: 2, refused: [{ row: 1, code: '23514' }] });
  });
});

describe('a compressed chunk', () => {
  it('takes corrections that decompress more than 100,000 rows', async () => {
    const SEGMENTS = 150;
    const ROWS = 150_000;
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      id: 1 + (i % SEGMENTS),
      t: T + i * 1000,
      v: 0,
    }));
    await withWriter(database, async () => {
      await writer.write(batchOf(rows));
      await select(`select compress_chunk(c) from show_chunks('tailrace.reading',
        newer_than => ${at(T - DAY)}, older_than => ${at(T + 2 * DAY)}) c`);
      const corrections = rows.slice(0, SEGMENTS).map((row) => ({ ...row, v: 1 }));
      expect(await writer.write(batchOf(corrections))).toMatchObject({ corrected: SEGMENTS });
    });
    expect(await failures()).toEqual({ conflict: 1 });
    expect(await storedCount()).toBe(ROWS);
  }, 60_000);
});

describe('a network that is cut in the middle of a COPY', () => {
  it('doubles nothing and loses nothing', async () => {
    const line = await openLine(opened.url);
    const through = await openDatabase({ url: line.url, embedded: database.embedded, log });
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ id: 1 + (i % 100), t: T + i, v: i }));
    await withWriter(through, async () => {
      await writer.write(batchOf([{ id: 1, t: T - DAY, v: 1 }]));
      line.cutAfterBytes = 400_000;
      const outcome = await writer.write(batchOf(rows));
      expect(outcome).toMatchObject({ inserted: 20_000, duplicate: 0, refused: [] });
    });
    expect(await failures()).toEqual({ unavailable: 1 });
    expect(await storedCount()).toBe(20_000);
    await through.stop();
    await line.close();
  }, 60_000);
});
