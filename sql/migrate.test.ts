import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { compare, migrate, migrationStatus } from './migrate.ts';

const log = createLog('silent');
const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));

describe('migrating', () => {
  let opened: TestDatabase;
  let folder: string;
  let directory: URL;

  beforeAll(async () => {
    opened = await openTestDatabase();
  });
  afterAll(() => opened.dispose());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-migrate-'));
    directory = pathToFileURL(`${folder}/`);
    cpSync(MIGRATIONS, join(folder, 'migrations'), { recursive: true });
    mkdirSync(join(folder, 'routines'));
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await opened.database.writer.query(
      "delete from tailrace.schema_migration where name ~ '^(9|routines)'",
    );
  });

  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const states = async () =>
    (await migrationStatus(opened.database, { directory })).map(({ name, state }) => [name, state]);
  const one = async (text: string) =>
    Object.values((await opened.database.writer.query(text)).rows[0] ?? {})[0];

  it('a second time changes nothing', async () => {
    expect(await migrate(opened.database, { log, directory })).toEqual([]);
    const applied = await states();
    expect(applied.length).toBeGreaterThan(0);
    expect(applied.every(([, state]) => state === 'applied')).toBe(true);
  });

  it('three times at once applies each migration once', async () => {
    write('migrations/9001_once.sql', 'create table tailrace.once (n int); select 1');
    expect(await states()).toContainEqual(['9001_once.sql', 'pending']);
    const runs = [1, 2, 3].map(() => migrate(opened.database, { log, directory }));
    expect((await Promise.all(runs)).flat()).toEqual(['9001_once.sql']);
    expect(await states()).toContainEqual(['9001_once.sql', 'applied']);
    await opened.database.writer.query('drop table tailrace.once');
  });

  it('refuses a migration that was edited afterwards, by its name', async () => {
    write('migrations/9002_edited.sql', 'select 1');
    await migrate(opened.database, { log, directory });
    write('migrations/9002_edited.sql', 'select 2');
    await expect(migrate(opened.database, { log, directory })).rejects.toMatchObject({
      code: 'migration_edited',
      message: expect.stringContaining('9002_edited.sql'),
    });
  });

  it('takes other line ends for the same file', async () => {
    write('migrations/9003_lines.sql', 'select 1;\nselect 2;\n');
    await migrate(opened.database, { log, directory });
    write('migrations/9003_lines.sql', 'select 1;\r\nselect 2;\r\n');
    expect(await migrate(opened.database, { log, directory })).toEqual([]);
  });

  it('refuses a database that a newer program migrated', async () => {
    write('migrations/9004_newer.sql', 'select 1');
    await migrate(opened.database, { log, directory });
    rmSync(join(folder, 'migrations/9004_newer.sql'));
    expect(await states()).toContainEqual(['9004_newer.sql', 'unknown']);
    await expect(migrate(opened.database, { log, directory })).rejects.toMatchObject({
      code: 'database_newer',
      message: expect.stringContaining('9004_newer.sql'),
    });
  });

  it('keeps nothing of a migration that fails, and goes on from there', async () => {
    write('migrations/9005_fails.sql', 'create table tailrace.half (n int); select 1/0');
    await expect(migrate(opened.database, { log, directory })).rejects.toMatchObject({
      code: 'migration_failed',
      message: expect.stringMatching(/9005_fails\.sql.*division by zero/),
    });
    expect(await one("select to_regclass('tailrace.half') is null")).toBe(true);
    write('migrations/9005_fails.sql', 'select 1');
    expect(await migrate(opened.database, { log, directory })).toEqual(['9005_fails.sql']);
  });

  it('applies routines after migrations, and again when they change', async () => {
    const routine = (n: number) =>
      `create or replace function tailrace.test_routine() returns int language sql as 'select ${n}'`;
    write('routines/test.sql', routine(1));
    expect(await migrate(opened.database, { log, directory })).toEqual(['routines/test.sql']);
    write('routines/test.sql', routine(2));
    expect(await states()).toContainEqual(['routines/test.sql', 'pending']);
    expect(await migrate(opened.database, { log, directory })).toEqual(['routines/test.sql']);
    expect(await migrate(opened.database, { log, directory })).toEqual([]);
    expect(await one('select tailrace.test_routine()')).toBe(2);
    await opened.database.writer.query('drop function tailrace.test_routine');
  });
});

describe('comparing what is with what should be', () => {
  const at = new Date(0);
  it.each([
    ['nothing yet', [['1.sql', 'a']], [], [['1.sql', 'pending']]],
    ['all', [['1.sql', 'a']], [['1.sql', 'a']], [['1.sql', 'applied']]],
    ['another text', [['1.sql', 'b']], [['1.sql', 'a']], [['1.sql', 'edited']]],
    ['more than is known', [], [['1.sql', 'a']], [['1.sql', 'unknown']]],
    [
      'a routine that changed',
      [['routines/f.sql', 'b']],
      [['routines/f.sql', 'a']],
      [['routines/f.sql', 'pending']],
    ],
    ['a routine that is gone', [], [['routines/f.sql', 'a']], []],
  ])('%s', (_name, scripts, applied, expected) => {
    const statuses = compare(
      scripts.map(([name = '', checksum = '']) => ({ name, checksum })),
      applied.map(([name = '', checksum = '']) => ({ name, checksum, applied_at: at })),
    );
    expect(statuses.map(({ name, state }) => [name, state])).toEqual(expected);
  });
});
