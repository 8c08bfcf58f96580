import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type Database, openDatabase } from '../sql/connection.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { openLine } from '../test/line.ts';
import { ROW_OUTCOME, type WriteOutcome } from './readings.ts';
import { batchOf, type RowOfBatch } from './testing.ts';
import { createWriter } from './writer.ts';

const log = createLog('silent');
/** A time of its own for each test, so that one database serves all of them. */
let T = 1_700_000_000_000_000;
const MINUTE = 60_000_000;
/** Just after the last moment that PostgreSQL's timestamps reach, in 294276. */
const BEYOND_PG_US = 9_224_318_184_800_000_000;

let opened: TestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  database = opened.database;
  await database.writer.query(
    `insert into tailrace.series (tenant, asset, channel, value_kind)
     select 't', 'a', 'c' || i, case when i < 5 then 'number' else 'state' end from generate_series(1, 6) i`,
  );
});
afterAll(() => opened.dispose());
beforeEach(() => {
  T += 3 * 86_400_000_000;
});

async function select<Row = Record<string, unknown>>(text: string): Promise<Row[]> {
  return (await database.writer.query(text)).rows as Row[];
}

const at = (us: number) => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;
const stored = (table = 'reading') =>
  select(
    `select series_id as id, round(date_part('epoch', time - (${at(T)})) * 1e6)::float8 as t, value as v, quality as q
     from tailrace.${table} where time >= ${at(T)} and time < ${at(T + 86_400_000_000)} order by 1, 2`,
  );

function writerOn(target: Pick<Database, 'writer'>) {
  return createWriter({ database: target, log, metrics: createMetrics() });
}

async function write(rows: readonly RowOfBatch[]): Promise<WriteOutcome> {
  const writer = writerOn(database);
  try {
    return await writer.write(batchOf(rows.map((row) => ({ ...row, t: T + row.t }))));
  } finally {
    await writer.stop();
  }
}

const counts = ({ inserted, duplicate, corrected, late, refused }: WriteOutcome) => [
  inserted,
  duplicate,
  corrected,
  late,
  refused.length,
];

describe('the writer', () => {
  it('stores numbers and states to the bit and the microsecond', async () => {
    const outcome = await write([
      { id: 2, t: 1, v: 0.1, q: -3 },
      { id: 5, t: 0, v: 'drilling µ' },
      { id: 1, t: 7, v: Number.MAX_VALUE },
      { id: 1, t: 6, v: -0 },
      { id: 6, t: 0, v: '' },
    ]);
    expect(counts(outcome)).toEqual([5, 0, 0, 0, 0]);
    expect(await stored()).toEqual([
      { id: 1, t: 6, v: 0, q: 0 },
      { id: 1, t: 7, v: Number.MAX_VALUE, q: 0 },
      { id: 2, t: 1, v: 0.1, q: -3 },
    ]);
    expect(await stored('state_reading')).toEqual([
      { id: 5, t: 0, v: 'drilling µ', q: 0 },
      { id: 6, t: 0, v: '', q: 0 },
    ]);
  });

  it('tells duplicates from corrections, and lets the last one win', async () => {
    await write([
      { id: 1, t: 0, v: 1 },
      { id: 1, t: 1, v: 2 },
      { id: 5, t: 0, v: 'on' },
    ]);
    const outcome = await write([
      { id: 1, t: 0, v: 1 },
      { id: 1, t: 1, v: 3 },
      { id: 1, t: 2, v: 4 },
      { id: 5, t: 0, v: 'off' },
      { id: 1, t: 2, v: 4 },
      { id: 1, t: 1, v: 5 },
    ]);
    expect(counts(outcome)).toEqual([1, 2, 3, 0, 0]);
    const { inserted, duplicate, corrected } = ROW_OUTCOME;
    expect([...outcome.rowOutcomes]).toEqual([
      duplicate,
      corrected,
      inserted,
      corrected,
      duplicate,
      corrected,
    ]);
    expect(await stored()).toMatchObject([{ v: 1 }, { v: 5 }, { v: 4 }]);
    expect(await stored('state_reading')).toMatchObject([{ v: 'off' }]);
  });

  it('does not let a repeated packet overwrite another value', async () => {
    await write([{ id: 1, t: 0, v: 1 }]);
    const outcome = await write([
      { id: 1, t: 0, v: 2, dup: true },
      { id: 1, t: 1, v: 2, dup: true },
    ]);
    expect(counts(outcome)).toEqual([1, 1, 0, 0, 0]);
    expect([...outcome.rowOutcomes]).toEqual([ROW_OUTCOME.overruled, ROW_OUTCOME.inserted]);
    expect(await stored()).toMatchObject([{ v: 1 }, { v: 2 }]);
  });

  it('gives back the rows that the database refuses, and stores all others', async () => {
    const rows: RowOfBatch[] = Array.from({ length: 40 }, (_, t) => ({ id: 5, t, v: `s${t}` }));
    rows[7] = { id: 5, t: 7, v: 'nul \0' };
    rows[31] = { id: 1, t: BEYOND_PG_US - T, v: 1 };
    const outcome = await write(rows);
    expect(counts(outcome)).toEqual([38, 0, 0, 0, 2]);
    expect(outcome.refused.map(({ row, code }) => [row, code])).toEqual([
      [7, '22021'],
      [31, '22008'],
    ]);
    expect(outcome.refused[0]?.reason).toMatch(/0x00/);
    const refusedRows = [...outcome.rowOutcomes].flatMap((became, row) =>
      became === ROW_OUTCOME.refused ? [row] : [],
    );
    expect(refusedRows).toEqual([7, 31]);
    expect(await stored('state_reading')).toHaveLength(38);
  });

  it('writes into compressed chunks: new readings, duplicates and corrections', async () => {
    await write(Array.from({ length: 3000 }, (_, i) => ({ id: 1 + (i % 3), t: i * 1e6, v: i })));
    await select(`select compress_chunk(c) from show_chunks('tailrace.reading',
      newer_than => ${at(T - 86_400_000_000)}, older_than => ${at(T + 2 * 86_400_000_000)}) c`);
    const outcome = await write([
      { id: 1, t: 0, v: 0 },
      { id: 1, t: 3e6, v: -3 },
      { id: 1, t: 3e6 + 1, v: 0.5 },
      { id: 4, t: 0, v: 9 },
    ]);
    expect(counts(outcome)).toEqual([2, 1, 1, 0, 0]);
    expect((await stored()).filter(({ id }) => id === 1).slice(0, 4)).toMatchObject([
      { t: 0, v: 0 },
      { t: 3e6, v: -3 },
      { t: 3e6 + 1, v: 0.5 },
      { t: 6e6, v: 6 },
    ]);
    expect(await stored()).toHaveLength(3002);
  });

  it("keeps each series' first time, also when an older reading comes", async () => {
    const first = () =>
      select(`select id, first_time = ${at(T - 500)} as lowered from tailrace.series where id = 1`);
    await select(`update tailrace.series set first_time = ${at(T)} where id in (1, 2)`);
    await write([{ id: 1, t: 10, v: 1 }]);
    expect(await first()).toEqual([{ id: 1, lowered: false }]);
    await write([
      { id: 1, t: 11, v: 1 },
      { id: 1, t: -500, v: 1 },
    ]);
    expect(await first()).toEqual([{ id: 1, lowered: true }]);
  });

  it('writes an empty batch as nothing, and refuses after stop', async () => {
    const writer = writerOn(database);
    expect(counts(await writer.write(batchOf([])))).toEqual([0, 0, 0, 0, 0]);
    await writer.stop();
    await writer.stop();
    await expect(writer.write(batchOf([]))).rejects.toMatchObject({ code: 'stopped' });
  });
});

describe('late readings', () => {
  const ranges = () =>
    select(`select series_id as id, date_part('epoch', start_time)::int8::float8 - ${T / 1e6} as start,
      date_part('epoch', end_time)::int8::float8 - ${T / 1e6} as end, claimed
      from tailrace.dirty_range order by 1, 2, claimed`);

  beforeEach(async () => {
    T = Math.ceil(T / MINUTE) * MINUTE;
    await select('delete from tailrace.dirty_range');
    await select(`update tailrace.late_horizon set late_before = ${at(T + 10 * MINUTE)}`);
  });
  afterAll(() => select("update tailrace.late_horizon set late_before = '-infinity'"));

  it('are marked in the minutes that they change, and only those', async () => {
    await write([{ id: 1, t: 0, v: 1 }]);
    await select('delete from tailrace.dirty_range');
    const outcome = await write([
      { id: 1, t: 0, v: 1 },
      { id: 2, t: 90e6, v: 1 },
      { id: 3, t: 10 * MINUTE, v: 1 },
      { id: 4, t: 10 * MINUTE - 1, v: 1 },
      { id: 5, t: 0, v: 'a state has no rollup' },
    ]);
    expect(counts(outcome)).toEqual([4, 1, 0, 4, 0]);
    expect(await ranges()).toEqual([
      { id: 2, start: 60, end: 120, claimed: false },
      { id: 4, start: 540, end: 600, claimed: false },
    ]);
  });

  it('widen a mark nearby, and leave one far away alone', async () => {
    await write([{ id: 1, t: -3600e6, v: 1 }]);
    await write([{ id: 1, t: 5 * MINUTE, v: 1 }]);
    await write([
      { id: 1, t: 0, v: 1 },
      { id: 1, t: 7 * MINUTE, v: 1 },
      { id: 2, t: 0, v: 1 },
    ]);
    expect(await ranges()).toEqual([
      { id: 1, start: -3600, end: -3540, claimed: false },
      { id: 1, start: 0, end: 480, claimed: false },
      { id: 2, start: 0, end: 60, claimed: false },
    ]);
  });

  it('share a mark until the refresher has claimed it', async () => {
    await write([{ id: 1, t: 0, v: 1 }]);
    await write([{ id: 1, t: 1, v: 1 }]);
    expect(await ranges()).toHaveLength(1);
    await select('update tailrace.dirty_range set claimed = true');
    await write([{ id: 1, t: 2, v: 1 }]);
    expect(await ranges()).toMatchObject([{ claimed: false }, { claimed: true }]);
  });
});

describe('a connection that fails', () => {
  it('in the middle of COMMIT makes neither loss nor double count', async () => {
    const line = await openLine(opened.url);
    const through = await openDatabase({ url: line.url, embedded: database.embedded, log });
    const writer = writerOn(through);
    line.cutAtCommit = 2;
    const rows = Array.from({ length: 50 }, (_, i) => ({ id: 1, t: T + i, v: i }));
    const outcome = await writer.write(batchOf(rows));
    expect(counts(outcome)).toEqual([0, 50, 0, 0, 0]);
    expect(await stored()).toHaveLength(50);
    expect(writer.state).toBe('writing');
    await writer.stop();
    await through.stop();
    await line.close();
  });

  it('is waited for, and what waits is given up at stop', async () => {
    const line = await openLine(opened.url);
    const through = await openDatabase({ url: line.url, embedded: database.embedded, log });
    const writer = writerOn(through);
    line.refuse = true;
    const pending = writer.write(batchOf([{ id: 1, t: T, v: 1 }]));
    await expect.poll(() => writer.state).toBe('waiting');
    line.refuse = false;
    expect(counts(await pending)).toEqual([1, 0, 0, 0, 0]);

    line.refuse = true;
    await through.writer.query('select 1').catch(() => undefined);
    await line.close();
    const lost = writer.write(batchOf([{ id: 1, t: T + 1, v: 1 }]));
    const rejected = expect(lost).rejects.toMatchObject({ code: 'stopped' });
    await expect.poll(() => writer.state).toBe('waiting');
    await writer.stop();
    await rejected;
    await through.stop();
    expect(await stored()).toHaveLength(1);
  });
});
