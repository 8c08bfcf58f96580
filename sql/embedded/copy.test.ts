// COPY in and out through the endpoint.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyInto, openTestEngine, type TestEngine } from '../../test/embedded-engine.ts';
import { int16, int32 } from './wire.ts';

let server: TestEngine;
const withClient: TestEngine['withClient'] = (use) => server.withClient(use);

beforeAll(async () => {
  server = await openTestEngine();
  await withClient(async (client) => {
    await client.query('create table note (id int primary key, words text)');
  });
});

afterAll(() => server.dispose());

const BINARY_ROWS = Buffer.concat([
  Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
  int32(0),
  int32(0),
  ...[901, 902].map((id) =>
    Buffer.concat([int16(2), int32(4), int32(id), int32(2), Buffer.from('ok')]),
  ),
  int16(-1),
]);

describe('COPY', () => {
  test('binary, inside a transaction, visible after it', async () => {
    await withClient(async (client) => {
      await client.query('begin');
      await copyInto(client, 'copy note (id, words) from stdin (format binary)', BINARY_ROWS);
      await client.query('commit');
      const { rows } = await client.query('select words from note where id in (901, 902)');
      expect(rows).toEqual([{ words: 'ok' }, { words: 'ok' }]);
    });
  });

  test('a bad row fails it with its line, and the connection works on', async () => {
    await withClient(async (client) => {
      const copy = copyInto(client, 'copy note from stdin', '910\tx\nnope\tx\n');
      await expect(copy).rejects.toMatchObject({
        code: '22P02',
        where: expect.stringContaining('COPY note, line 2'),
      });
      const { rows } = await client.query('select count(*)::int as n from note where id = 910');
      expect(rows).toEqual([{ n: 0 }]);
    });
  });

  test('a client that gives up (CopyFail) fails the transaction', async () => {
    await withClient(async (client) => {
      await client.query('begin');
      const stream = client.query(copyFrom('copy note from stdin'));
      stream.write('920\tx\n');
      const failed = once(stream, 'error');
      stream.destroy(new Error('changed my mind'));
      await failed;
      await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' });
      await client.query('rollback');
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    });
  });

  test('into a table that is not there fails, and in a failed transaction it is refused', async () => {
    await withClient(async (client) => {
      await client.query('begin');
      await expect(copyInto(client, 'copy no_such from stdin', 'x\n')).rejects.toMatchObject({
        code: '42P01',
      });
      await expect(copyInto(client, 'copy note from stdin', '1\tx\n')).rejects.toMatchObject({
        code: '25P02',
      });
      await client.query('rollback');
    });
  });

  test('beside other statements in one query is refused, not fatal', async () => {
    await withClient(async (client) => {
      await expect(client.query('select 1; copy note from stdin')).rejects.toMatchObject({
        code: '0A000',
      });
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    });
  });

  test('TO STDOUT gives text and binary', async () => {
    await withClient(async (client) => {
      const query = 'select i from generate_series(1, 3) i';
      expect(await text(client.query(copyTo(`copy (${query}) to stdout`)))).toBe('1\n2\n3\n');
      const binary = await buffer(
        client.query(copyTo(`copy (${query}) to stdout (format binary)`)),
      );
      expect(binary.length).toBe(19 + 3 * 10 + 2);
    });
  });

  test('of a hundred thousand rows in many pieces', async () => {
    await withClient(async (client) => {
      await client.query('create temp table many (a int, b text)');
      const rows = function* () {
        for (let i = 0; i < 100_000; i++) yield `${i}\trow ${i}\n`;
      };
      await pipeline(Readable.from(rows()), client.query(copyFrom('copy many from stdin')));
      const { rows: sums } = await client.query(
        'select count(*)::int as n, sum(a)::int8 as s from many',
      );
      expect(sums).toEqual([{ n: 100_000, s: '4999950000' }]);
      await client.query('drop table many');
    });
  });
});
