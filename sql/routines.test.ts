// The routines of sql/routines: the examples of docs/routines.md to the character, and how they are brought up to date.
// store/range/routines.test.ts holds them against the code that serves ranges.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { migrate } from './migrate.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());

const DOCS = new URL('../docs/routines.md', import.meta.url);
const NUMBERS: readonly number[] = [20, 21, 23, 700, 701, 1700];

interface Example {
  readonly heading: string;
  readonly sql: string;
  /** None: a statement that gives nothing, but is needed by those after it. */
  readonly expected: string | undefined;
}

function examples(): Example[] {
  const text = readFileSync(DOCS, 'utf8');
  const found = text.matchAll(/```sql\n(.*?)```\n(?:\n```text\n(.*?)```\n)?/gs);
  return Array.from(found, ([, sql = '', expected], i) => {
    const heading = text
      .slice(0, text.indexOf(sql))
      .match(/^## .*$/gm)
      ?.at(-1)
      ?.slice(3);
    return { heading: `${heading} (${i})`, sql, expected };
  });
}

/** A result as psql shows it. */
function aligned({ fields, rows }: pg.QueryArrayResult<(string | null)[]>): string {
  const table = [fields.map(({ name }) => name), ...rows.map((row) => row.map((x) => x ?? ''))];
  const widths = fields.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const lines = table.map((row, y) => {
    const cells = row.map((cell, i) => {
      const width = widths[i]!;
      if (y === 0)
        return cell.padStart(cell.length + Math.floor((width - cell.length) / 2)).padEnd(width);
      return NUMBERS.includes(fields[i]!.dataTypeID) ? cell.padStart(width) : cell.padEnd(width);
    });
    return ` ${cells.join(' | ')}`.trimEnd();
  });
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width + 2)).join('+'));
  return `${lines.join('\n')}\n`;
}

const asText = { getTypeParser: () => (text: string) => text };

describe('the examples of docs/routines.md', () => {
  let client: pg.PoolClient;
  beforeAll(async () => {
    client = (await opened.database.writer.connect()) as pg.PoolClient;
    // Views are restored, and indexes checked, with an empty search_path.
    await client.query("begin; set local timezone = 'UTC'; set local search_path = ''");
  });
  afterAll(async () => {
    await client.query('rollback');
    client.release();
  });

  it.each(examples())('$heading', async ({ sql, expected }) => {
    const result = await client.query<(string | null)[]>({
      text: sql,
      rowMode: 'array',
      types: asText,
    });
    if (expected !== undefined) expect(aligned(result)).toBe(expected);
  });
});

describe('routines', () => {
  const ahead = (minutes: number) => `now() + interval '${minutes} minutes'`;
  it.each([
    [
      'count days among the units of a length as 24 hours, in whatever zone the session is',
      `set local timezone = 'Europe/Oslo';
       select count(*)::int from tailrace.gapfill('2026-03-27 00:00+00', '2026-04-02 00:00+00', '1 day 12 hours') t
       where t <> tailrace.bucket('1 day 12 hours', t)`,
      0,
    ],
    [
      'say nothing of states that are ahead of now',
      `insert into tailrace.series (id, tenant, asset, channel, value_kind) overriding system value
         values (900003, 'acme', 'rig-7', 'ahead', 'state');
       insert into tailrace.state_reading (series_id, time, value) values
         (900003, ${ahead(-60)}, 'on'), (900003, ${ahead(30)}, 'off'), (900003, ${ahead(60)}, 'on');
       select jsonb_agg(jsonb_build_array(value, "from" - now(), until - now()))
       from tailrace.state_intervals(900003, ${ahead(-30)}, ${ahead(120)})`,
      [['on', '-00:30:00', '00:00:00']],
    ],
    [
      'tell of each bucket what a state held in it between start and end',
      `insert into tailrace.series (id, tenant, asset, channel, value_kind) overriding system value
         values (900003, 'acme', 'rig-7', 'mode', 'state');
       insert into tailrace.state_reading (series_id, time, value) values
         (900003, '2026-01-01 00:00+00', 'on'), (900003, '2026-01-01 00:40+00', 'off'),
         (900003, '2026-01-01 01:10+00', 'on');
       select jsonb_agg(jsonb_build_array(date_part('hour', t), value, seconds))
       from tailrace.time_in_state(900003, '2026-01-01 00:30+00', '2026-01-01 01:45+00', '1 hour')`,
      [
        [0, 'off', 1_200],
        [0, 'on', 600],
        [1, 'off', 600],
        [1, 'on', 2_100],
      ],
    ],
    [
      'tell no increase of points that are all null',
      'select tailrace.delta(array[now()], array[null::float8])',
      null,
    ],
  ])('%s', async (_, sql, expected) => {
    const results: unknown = await opened.database.writer.query(`begin; ${sql}; rollback`);
    const told = (results as pg.QueryResult<object>[]).flatMap(({ rows }) => rows);
    expect(told.map((row) => Object.values(row))).toEqual([[expected]]);
  });
});

describe('migrating routines', () => {
  const log = createLog('silent');
  let folder: string;
  let directory: URL;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-routines-'));
    cpSync(new URL('.', import.meta.url), folder, {
      recursive: true,
      filter: (path) => !/\.ts$|embedded$|statements$/.test(path),
    });
    directory = pathToFileURL(`${folder}/`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const change = (file: string, edit: (text: string) => string) => {
    const path = join(folder, 'routines', file);
    writeFileSync(path, edit(readFileSync(path, 'utf8')));
  };
  const migrateAll = () => migrate(opened.database, { log, directory });
  const run = (sql: string) => opened.database.writer.query(sql);

  it('goes again under views and columns of users', async () => {
    await run(`create view public.mine as
      select tailrace.bucket('1 day', time, 'Europe/Oslo') as day, tailrace.twa(time, value order by time) as mean,
        tailrace.sketch(value) as sketch, tailrace.m4(time, value) as m4, tailrace.rate(array_agg(time), array_agg(value))
      from tailrace.reading group by 1`);
    await run('create table public.kept as select sketch, m4 from public.mine');
    const files = readdirSync(join(folder, 'routines'));
    for (const file of files) change(file, (text) => `${text}\n-- changed\n`);
    expect(await migrateAll()).toEqual(files.sort().map((file) => `routines/${file}`));
    await run('select * from public.mine, public.kept');
    await run('drop table public.kept; drop view public.mine');
  });

  it('takes a routine to another signature, by dropping the one before', async () => {
    change(
      '2_fill.sql',
      (text) => `${text}
      drop function if exists tailrace.interpolate(timestamptz, timestamptz, float8, timestamptz, float8);
      create or replace function tailrace.interpolate(share float8, before float8, after float8) returns numeric
      language sql immutable parallel safe as 'select (before + (after - before) * share)::numeric';`,
    );
    expect(await migrateAll()).toEqual(['routines/2_fill.sql']);
    const { rows } = await run('select tailrace.interpolate(0.5, 1, 2)');
    expect(rows).toEqual([{ interpolate: '1.5' }]);
  });

  it('leaves everything as it was where a view stands in the way, and says so', async () => {
    await run('create view public.mine as select tailrace.locf(1) over () as one');
    change('2_fill.sql', (text) => `drop aggregate if exists tailrace.locf(anyelement);\n${text}`);
    await expect(migrateAll()).rejects.toMatchObject({
      code: 'migration_failed',
      message: expect.stringMatching(/2_fill\.sql.*depend/s),
    });
    expect((await run('select one from public.mine')).rows).toEqual([{ one: 1 }]);
    await run('drop view public.mine');
    expect(await migrateAll()).toEqual(['routines/2_fill.sql']);
  });
});
