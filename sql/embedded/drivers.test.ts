// The endpoint through the drivers that the program uses, and psql.
import { execFile } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyInto, openTestEngine, type TestEngine } from '../../test/embedded-engine.ts';
import { driverOptions } from '../connection.ts';

const run = promisify(execFile);
let server: TestEngine;
const withClient: TestEngine['withClient'] = (use) => server.withClient(use);

beforeAll(async () => {
  server = await openTestEngine();
  await withClient(async (client) => {
    await client.query('create table note (id int primary key, words text)');
  });
});

afterAll(() => server.dispose());

interface Driver {
  /** Rows of `select $1::int + 1, $2::text`, with the parameters 1 and "ü". */
  select(): Promise<unknown>;
  /** The SQLSTATE of `select no_such`. */
  failure(): Promise<string | undefined>;
  /** Inserts (id, 'x') in a transaction and rolls back. */
  rollBack(id: number): Promise<void>;
  /** COPY FROM STDIN in text of one row with this id. */
  copy(id: number): Promise<void>;
}

const drivers: Record<string, () => Driver> = {
  pg: () => ({
    select: () =>
      withClient(async (client) => {
        const result = await client.query({
          text: 'select $1::int + 1, $2::text',
          values: [1, 'ü'],
          rowMode: 'array',
        });
        return result.rows;
      }),
    failure: () =>
      withClient((client) =>
        client.query('select no_such').then(
          () => undefined,
          (error) => error.code,
        ),
      ),
    rollBack: (id) =>
      withClient(async (client) => {
        await client.query('begin');
        await client.query("insert into note values ($1, 'x')", [id]);
        await client.query('rollback');
      }),
    copy: (id) => withClient((client) => copyInto(client, 'copy note from stdin', `${id}\tx\n`)),
  }),
  postgres: () => {
    const open = () =>
      postgres({ ...driverOptions(server.engine.url).postgres, max: 1, onnotice: () => {} });
    const using = async <T>(use: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
      const sql = open();
      try {
        return await use(sql);
      } finally {
        await sql.end();
      }
    };
    return {
      select: () =>
        using((sql) => sql`select ${1}::int + 1, ${'ü'}::text`.values().then((rows) => [...rows])),
      failure: () =>
        using((sql) =>
          sql`select no_such`.then(
            () => undefined,
            (error) => error.code,
          ),
        ),
      rollBack: (id) =>
        using(async (sql) => {
          await sql
            .begin(async (transaction) => {
              await transaction`insert into note values (${id}, 'x')`;
              throw new Error('roll back');
            })
            .catch(() => undefined);
        }),
      copy: (id) =>
        using(async (sql) => {
          await pipeline(Readable.from([`${id}\tx\n`]), await sql`copy note from stdin`.writable());
        }),
    };
  },
  psql: () => {
    const psql = (...commands: string[]) =>
      run('psql', [
        server.engine.url,
        '-XAtq',
        '-v',
        'ON_ERROR_STOP=1',
        '-v',
        'VERBOSITY=sqlstate',
        ...commands.flatMap((command) => ['-c', command]),
      ]);
    return {
      async select() {
        const { stdout } = await psql(
          'prepare p (int, text) as select $1 + 1, $2; ',
          "execute p (1, 'ü')",
        );
        const [sum, word] = stdout.trim().split('|');
        return [[Number(sum), word]];
      },
      failure: () =>
        psql('select no_such').then(
          () => undefined,
          (error) => /ERROR:\s+(\w{5})/.exec(error.stderr)?.[1],
        ),
      async rollBack(id) {
        await psql('begin', `insert into note values (${id}, 'x')`, 'rollback');
      },
      async copy(id) {
        const child = run('psql', [server.engine.url, '-Xq', '-c', 'copy note from stdin']);
        child.child.stdin?.end(`${id}\tx\n`);
        await child;
      },
    };
  },
};

describe.each(Object.keys(drivers))('%s', (name) => {
  const driver = drivers[name]!();
  const id = 100 + Object.keys(drivers).indexOf(name) * 10;
  const count = (wanted: number) =>
    withClient(async (client) => {
      const { rows } = await client.query('select count(*)::int as n from note where id = $1', [
        wanted,
      ]);
      return rows[0].n;
    });

  test('binds parameters and reads rows', async () => {
    expect(await driver.select()).toEqual([[2, 'ü']]);
  });

  test('sees the SQLSTATE of an error', async () => {
    expect(await driver.failure()).toBe('42703');
  });

  test('rolls a transaction back', async () => {
    await driver.rollBack(id);
    expect(await count(id)).toBe(0);
  });

  test('copies in', async () => {
    await driver.copy(id + 1);
    expect(await count(id + 1)).toBe(1);
  });
});

test('psql describes tables, sees notices, works over TCP and with a URL', async () => {
  const { stdout, stderr } = await run('psql', [
    '-h',
    '127.0.0.1',
    '-p',
    String(server.engine.tcpPort),
    '-U',
    'anybody',
    '-d',
    'any',
    '-X',
    '-c',
    '\\d note',
    '-c',
    'drop table if exists no_such_table',
    '-c',
    'show application_name',
  ]);
  expect(stdout).toContain('"note_pkey" PRIMARY KEY, btree (id)');
  expect(stderr).toContain('NOTICE:  table "no_such_table" does not exist, skipping');
  expect(stdout).toMatch(/^ psql$/m);
});

test('a violated key comes with all its fields', async () => {
  const failure = await withClient(async (client) => {
    await client.query("insert into note values (1, 'first')");
    return await client.query("insert into note values (1, 'second')").catch((error) => error);
  });
  expect(failure).toMatchObject({
    severity: 'ERROR',
    code: '23505',
    detail: 'Key (id)=(1) already exists.',
    schema: 'public',
    table: 'note',
    constraint: 'note_pkey',
    routine: '_bt_check_unique',
  });
});
