import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { makeMigratedDataDir } from '../test/database.ts';
import { driverOptions, openDatabase } from './connection.ts';
import { embeddedUrl, startEmbeddedDatabase } from './embedded/engine.ts';

describe('a database URL', () => {
  test.each([
    [
      'postgres://ann:p%40ss@db.example:6543/plant',
      {
        host: 'db.example',
        port: 6543,
        user: 'ann',
        password: 'p@ss',
        database: 'plant',
        ssl: false,
      },
    ],
    ['postgresql://ann@db', { host: 'db', port: 5432, user: 'ann', database: 'ann' }],
    [
      'postgres:///plant?host=/run/pg&user=bob',
      { host: '/run/pg', user: 'bob', database: 'plant' },
    ],
    ['postgres://bob@/plant?host=/run/pg', { host: '/run/pg', user: 'bob', database: 'plant' }],
    ['postgres://bob@%2Frun%2Fpg/plant', { host: '/run/pg', user: 'bob', database: 'plant' }],
    ['postgres://[::1]:5433/plant', { host: '::1', port: 5433, user: 'postgres' }],
    ['postgres://db/plant?sslmode=require', { ssl: { rejectUnauthorized: false } }],
    ['postgres://db/plant?sslmode=verify-full', { ssl: { rejectUnauthorized: true } }],
    ['postgres://db/plant?application_name=report', { application_name: 'report' }],
  ])('%s is read alike for both drivers', (url, expected) => {
    const options = driverOptions(url);
    expect(options.pg).toMatchObject(expected);
    const { user, application_name: application, ...same } = expected as Record<string, unknown>;
    expect(options.postgres).toMatchObject({
      ...same,
      ...(user === undefined ? {} : { username: user }),
      ...(application === undefined ? {} : { connection: { application_name: application } }),
    });
  });

  test.each(['mysql://db/plant', 'plant', 'postgres://db/plant?sslmode=maybe'])(
    '%s is refused',
    (url) => {
      expect(() => driverOptions(url)).toThrowError(
        expect.objectContaining({ code: 'database_url_invalid' }),
      );
    },
  );
});

test('the pools work again when the database was away, and close with work in hand', async () => {
  const log = createLog('silent');
  const dataDir = await makeMigratedDataDir();
  const first = await startEmbeddedDatabase({ dataDir, log });
  const database = await openDatabase({ url: embeddedUrl(dataDir), embedded: true, log });
  await database.writer.query('select 1');
  await database.reader`select 1`;
  const lent = await database.writer.connect();
  const lost = once(lent, 'error');
  await first.stop();
  await lost;
  lent.release(true);
  await expect(database.writer.query('select 1')).rejects.toThrow();
  await expect(database.reader`select 1`).rejects.toThrow();

  const second = await startEmbeddedDatabase({ dataDir, log });
  expect((await database.writer.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await expect
    .poll(async () => (await database.reader`select 2 as two`.catch(() => []))[0], {
      timeout: 10_000,
    })
    .toEqual({ two: 2 });
  const inHand = database.reader`select 3 as three`;
  inHand.catch(() => undefined);
  await database.stop();
  expect([...(await inHand)]).toEqual([{ three: 3 }]);
  await second.stop();
  rmSync(dataDir, { recursive: true, force: true });
});
