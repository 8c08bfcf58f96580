import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMigratedDataDir } from '../../test/database.ts';
import { type Backend, COPY_DEVICE, openBackend } from './backend.ts';
import { createDurableFiles } from './durable-files.ts';
import { endingState, faultFields, frame, messagesOf, typeOf } from './wire.ts';

const ANSWER_BYTES_MAX = 200_000;
let dataDir: string;
let backend: Backend;

beforeAll(async () => {
  dataDir = await makeMigratedDataDir();
  backend = await openBackend(join(dataDir, 'db'), ANSWER_BYTES_MAX);
});

afterAll(() => {
  backend.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function ask(sql: string): {
  letters: string;
  code: string | undefined;
  state: string | undefined;
} {
  const answer = backend.run(frame('Q', sql));
  const messages = [...messagesOf(answer)];
  const error = messages.find((message) => typeOf(message) === 'E');
  return {
    letters: messages.map(typeOf).join(''),
    code: error && faultFields(error).get('C'),
    state: endingState(answer),
  };
}

test('after opening, TimescaleDB is loaded with its community licence', () => {
  expect(backend.query('show timescaledb.license')).toEqual([['timescale']]);
});

test.each([
  ['outside a transaction', 'select 1', 'I'],
  ['inside one, which goes on', 'begin', 'T'],
])('an answer that is too large becomes an error, %s', (_where, before, state) => {
  ask(before);
  const large = "select repeat('x', 1000) from generate_series(1, 1000)";
  expect(ask(large)).toEqual({ letters: 'EZ', code: '54000', state });
  expect(ask('rollback').state).toBe('I');
});

test('the data of a COPY is read in pieces, whatever their sizes', () => {
  backend.query('create temp table piece (a int, b text)');
  const data = Buffer.from(Array.from({ length: 5_000 }, (_, i) => `${i}\tpiece ${i}\n`).join(''));
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < data.length; i++) {
    const size = [1, 7, 4_096, 70_000][i % 4]!;
    pieces.push(data.subarray(at, at + size));
    at += size;
  }
  backend.run(frame('Q', `copy piece from '${COPY_DEVICE}'`), pieces);
  expect(backend.query('select count(*), sum(a) from piece')).toEqual([['5000', '12497500']]);
});

test('a deeply nested statement is an error, not the engine’s end', () => {
  const answer = ask(`select ${'('.repeat(20_000)}1${')'.repeat(20_000)}`);
  expect(answer.state).toBe('I');
  expect(backend.query('select 1')).toEqual([['1']]);
});

test('a sync is asked of the system, for files that are open', async () => {
  const durable = createDurableFiles();
  let asked = 0;
  durable.begin({
    getStream: (descriptor) => {
      asked++;
      return descriptor === 3 ? null : {};
    },
  });
  const env = { fd_sync: Object.assign(() => 0, { sig: 'ii' }) };
  const options = { instantiateWasm: () => ({}) };
  const { emscriptenOpts } = await durable.extension.setup(undefined, options);
  emscriptenOpts.instantiateWasm({ env }, () => undefined);
  const sync = env.fd_sync as (descriptor: number) => number;
  expect([sync(3), sync(4), asked]).toEqual([0, 0, 2]);
  expect(env.fd_sync.sig).toBe('ii');
});
