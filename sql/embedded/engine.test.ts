// The endpoint with several clients at once, with clients that go away, and with ones that write nonsense.
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { makeMigratedDataDir } from '../../test/database.ts';
import { openTestEngine, type TestEngine } from '../../test/embedded-engine.ts';
import { driverOptions } from '../connection.ts';
import { embeddedPaths } from './address.ts';
import { embeddedUrl, startEmbeddedDatabase } from './engine.ts';
import { CONNECTIONS_MAX } from './engine-messages.ts';
import { frame, int16, int32, messagesOf, rowValues, SYNC, typeOf } from './wire.ts';

let server: TestEngine;
const withClient: TestEngine['withClient'] = (use) => server.withClient(use);

beforeAll(async () => {
  server = await openTestEngine();
  await withClient(async (client) => {
    await client.query('create table note (id int primary key, words text)');
  });
});

afterAll(() => server.dispose());

/** Waits for what other connections bring about. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 10_000, interval: 10 }).toBe(true);
}

describe('several connections', () => {
  test('interleave statements, and each has its own prepared ones', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => server.openClient()));
    await Promise.all(
      clients.map(async (client, i) => {
        const statement = { name: 'same name', text: `select $1::int + ${i * 1000} as n` };
        for (let k = 0; k < 20; k++) {
          const { rows } = await client.query({ ...statement, values: [k] });
          expect(rows).toEqual([{ n: k + i * 1000 }]);
        }
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
  });

  test("see nothing of another's open transaction, and wait for its end", async () => {
    const [writer, reader] = await Promise.all([server.openClient(), server.openClient()]);
    await writer.query('begin');
    await writer.query("insert into note values (300, 'x')");
    let answered = false;
    const answer = reader
      .query('select count(*)::int as n from note where id = 300')
      .then((result) => {
        answered = true;
        return result.rows[0].n;
      });
    await writer.query('select 1');
    expect(answered).toBe(false);
    await writer.query('rollback');
    expect(await answer).toBe(0);
    await Promise.all([writer.end(), reader.end()]);
  });

  test('have their own settings, as if each had its own session', async () => {
    const [one, other] = await Promise.all([server.openClient(), server.openClient()]);
    const zone = async (client: pg.Client) =>
      (await client.query('show timezone')).rows[0].TimeZone;
    await one.query("set timezone = 'Europe/Oslo'");
    await other.query("select set_config('work_mem', '6MB', false)");
    expect(await zone(other)).toBe('UTC');
    expect(await zone(one)).toBe('Europe/Oslo');
    expect((await one.query('show work_mem')).rows[0].work_mem).toBe('16MB');
    expect((await other.query('show work_mem')).rows[0].work_mem).toBe('6MB');
    await one.query('reset all');
    expect(await zone(one)).toBe('UTC');
    await Promise.all([one.end(), other.end()]);
  });

  test('may discard all without reaching into the others', async () => {
    const [one, other] = await Promise.all([server.openClient(), server.openClient()]);
    const named = { name: 'kept', text: 'select 7 as n' };
    await one.query(named);
    await other.query({ name: 'gone', text: 'select 8' });
    await other.query('discard all');
    await other.query('deallocate all');
    expect((await one.query(named)).rows).toEqual([{ n: 7 }]);
    await one.query('deallocate kept');
    await Promise.all([one.end(), other.end()]);
  });
});

describe('a client that goes away', () => {
  test('in a transaction has it rolled back', async () => {
    const client = await server.openClient();
    client.on('error', () => undefined);
    await client.query('begin');
    await client.query("insert into note values (400, 'x')");
    (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    const n = await withClient(async (other) => {
      return (await other.query('select count(*)::int as n from note where id = 400')).rows[0].n;
    });
    expect(n).toBe(0);
  });

  test('has its statements deallocated', async () => {
    const client = await server.openClient();
    await client.query({ name: 'mine', text: 'select 1' });
    const statements = async () =>
      await withClient(async (other) => {
        const { rows } = await other.query(
          "select count(*)::int as n from pg_prepared_statements where name <> ''",
        );
        return rows[0].n;
      });
    expect(await statements()).toBeGreaterThan(0);
    await client.end();
    await until(async () => (await statements()) === 0);
  });

  test('amid a COPY leaves nothing', async () => {
    const client = await server.openClient();
    client.on('error', () => undefined);
    await client.query('begin');
    const stream = client.query(copyFrom('copy note from stdin'));
    stream.on('error', () => undefined);
    stream.write('410\tx\n');
    await new Promise((resolve) => setImmediate(resolve));
    (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    const n = await withClient(async (other) => {
      return (await other.query('select count(*)::int as n from note where id = 410')).rows[0].n;
    });
    expect(n).toBe(0);
  });
});

test('a cancel takes a queued statement out, and the connection works on', async () => {
  const [holder, queued] = await Promise.all([server.openClient(), server.openClient()]);
  await holder.query('begin');
  const answer = queued.query('select 1').catch((error) => error);
  const { processID, secretKey } = queued as unknown as { processID: number; secretKey: number };
  const socket = connect(`${server.dataDir}/.s.PGSQL.5432`);
  socket.end(Buffer.concat([int32(16), int32(80877102), int32(processID), int32(secretKey)]));
  expect(await answer).toMatchObject({ code: '57014' });
  await holder.query('commit');
  expect((await queued.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
  await Promise.all([holder.end(), queued.end()]);
});

/** A connection on which the test writes the protocol itself. */
async function openRaw(): Promise<{ socket: Socket; ask(bytes: Buffer): Promise<Buffer[]> }> {
  const socket = connect(`${server.dataDir}/.s.PGSQL.5432`);
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    socket.emit('more');
  });
  async function ask(bytes: Buffer): Promise<Buffer[]> {
    received = Buffer.alloc(0);
    socket.write(bytes);
    for (;;) {
      const messages = [...messagesOf(received)];
      if (messages.some((message) => typeOf(message) === 'Z')) return messages;
      await once(socket, 'more');
    }
  }
  const body = Buffer.concat([int32(196608), Buffer.from('user\0x\0\0')]);
  await ask(Buffer.concat([int32(body.length + 4), body]));
  return { socket, ask };
}

function letters(messages: Buffer[]): string {
  return messages.map(typeOf).join('');
}

const bind = (statement: string) => frame('B', '', statement, int16(0), int16(0), int16(0));
const execute = frame('E', '', int32(0));

describe('the protocol itself', () => {
  test('an unnamed statement lives on over other connections’ statements', async () => {
    const raw = await openRaw();
    await raw.ask(Buffer.concat([frame('P', '', "select 'mine'", int16(0)), SYNC]));
    await withClient((client) => client.query('select $1::text', ['theirs']));
    const answer = await raw.ask(Buffer.concat([bind(''), execute, SYNC]));
    expect(letters(answer)).toBe('2DCZ');
    expect(rowValues(answer[1]!)).toEqual(['mine']);
    raw.socket.destroy();
  });

  test('a Flush gives the answers so far, and the session is kept up to the Sync', async () => {
    const raw = await openRaw();
    const parse = frame('P', '', 'select 5', int16(0));
    const flushed = once(raw.socket, 'data');
    raw.socket.write(Buffer.concat([parse, bind(''), execute, frame('H')]));
    expect(letters([...messagesOf((await flushed)[0])])).toBe('12DC');
    const other = withClient(async (client) => (await client.query('select 6 as six')).rows);
    expect(letters(await raw.ask(SYNC))).toBe('Z');
    expect(await other).toEqual([{ six: 6 }]);
    raw.socket.destroy();
  });

  test('after an error everything up to Sync is passed over', async () => {
    const raw = await openRaw();
    const broken = frame('P', '', 'selec 1', int16(0));
    expect(letters(await raw.ask(Buffer.concat([broken, bind(''), execute, SYNC])))).toBe('EZ');
    expect(letters(await raw.ask(frame('Q', 'select 1')))).toBe('TDCZ');
    raw.socket.destroy();
  });

  test.each([
    ['with the Sync ahead of the data', Buffer.concat([execute, SYNC])],
    ['with the Sync behind it', execute],
  ])('COPY through Parse, Bind and Execute, %s', async (_name, tail) => {
    const raw = await openRaw();
    await raw.ask(frame('Q', 'create table if not exists ext (a int)'));
    raw.socket.write(
      Buffer.concat([frame('P', 'cp', 'copy ext from stdin', int16(0)), bind('cp'), tail]),
    );
    const answer = await raw.ask(
      Buffer.concat([frame('d', Buffer.from('1\n2\n')), frame('c'), SYNC]),
    );
    expect(letters(answer)).toBe('12GCZ');
    const failing = Buffer.concat([
      bind('cp'),
      tail,
      frame('d', Buffer.from('3\n')),
      frame('f', 'no'),
      SYNC,
    ]);
    expect(letters(await raw.ask(failing))).toBe('2GEZ');
    expect(rowValues((await raw.ask(frame('Q', 'select count(*) from ext')))[1]!)).toEqual(['2']);
    await raw.ask(frame('Q', 'drop table ext'));
    raw.socket.destroy();
  });

  test('garbage gets an error and ends that connection only', async () => {
    const seed = Buffer.from(
      Array.from({ length: 4000 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255),
    );
    for (let i = 0; i < 40; i++) {
      const raw =
        i % 2 === 0 ? (await openRaw()).socket : connect(`${server.dataDir}/.s.PGSQL.5432`);
      raw.on('error', () => undefined);
      raw.resume();
      raw.end(seed.subarray(i * 90, i * 90 + 90));
      await once(raw, 'close');
    }
    expect(await withClient(async (client) => (await client.query('select 1 as n')).rows)).toEqual([
      { n: 1 },
    ]);
  });

  test('a Bind that lies about its lengths is the engine’s error, not its end', async () => {
    const raw = await openRaw();
    const lying = frame('B', '', '', int16(0), int16(1), int32(0x7ffffff0), Buffer.from('x'));
    const answer = await raw.ask(
      Buffer.concat([frame('P', '', 'select $1::text', int16(0)), lying, SYNC]),
    );
    expect(letters(answer)).toBe('1EZ');
    raw.socket.destroy();
  });
});

test('a client that reads slowly gets all of a large answer', async () => {
  await withClient(async (client) => {
    const { rows } = await client.query(
      "select repeat('x', 1000) as x from generate_series(1, 20000)",
    );
    expect(rows).toHaveLength(20_000);
  });
});

test('one client too many is told so', async () => {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS_MAX }, () => server.openClient()),
  );
  await expect(server.openClient()).rejects.toMatchObject({ code: '53300' });
  await Promise.all(clients.map((client) => client.end()));
  await expect
    .poll(() => withClient(async () => 'served').catch(() => 'full'), { timeout: 10_000 })
    .toBe('served');
});

test('a database that cannot be opened says so, and leaves the directory free', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tailrace-test-'));
  mkdirSync(join(dataDir, 'db'));
  writeFileSync(join(dataDir, 'db', 'PG_VERSION'), 'not a version');
  const options = { dataDir, log: createLog('silent') };
  for (let i = 0; i < 2; i++) {
    await expect(startEmbeddedDatabase(options)).rejects.toMatchObject({ code: 'database_failed' });
  }
  rmSync(dataDir, { recursive: true });
});

test('stop ends clients with 57P01, and may be called twice', async () => {
  const own = await openTestEngine();
  const client = await own.openClient();
  const ended = once(client, 'error');
  client.on('error', () => undefined);
  await Promise.all([own.engine.stop(), own.engine.stop()]);
  expect((await ended)[0]).toMatchObject({ code: '57P01', severity: 'FATAL' });
  await own.dispose();
});

test('a data directory with a path too long for a socket works, and leaves nothing elsewhere', async () => {
  const short = await makeMigratedDataDir();
  const dataDir = join(short, 'x'.repeat(120));
  mkdirSync(dataDir);
  renameSync(join(short, 'db'), join(dataDir, 'db'));
  const engine = await startEmbeddedDatabase({ dataDir, log: createLog('silent'), syncs: false });
  const client = new pg.Client(driverOptions(embeddedUrl(dataDir)).pg);
  await client.connect();
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await client.end();
  await engine.stop();
  expect(existsSync(embeddedPaths(dataDir).socketDirectory)).toBe(false);
  rmSync(short, { recursive: true });
});
