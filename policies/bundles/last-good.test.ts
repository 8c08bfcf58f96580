// What is kept on disk is never lost over a failure that could be mended, and nobody else's files are touched.
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { type LastGoodStore, openLastGood } from './last-good.ts';

const LONG_AGO = new Date(0);
const recordOf = (digest: string, revision: string) => {
  return { revision, digest: digest.repeat(64), activated_ms: 1, confirmed_ms: 1 };
};

let folder: string;
let store: LastGoodStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-last-good-'));
  store = openLastGood(folder, '/plant.tar.gz', createLog('silent'));
});

afterEach(() => rm(folder, { recursive: true }));

describe('a record that is there and cannot be read', () => {
  // A folder in its place: what is forbidden to others is not forbidden to root.
  beforeEach(() => mkdir(join(folder, 'last-good.json')));

  it('lets a start fail, rather than forget the revision that was in force', async () => {
    await expect(store.read()).rejects.toMatchObject({
      code: 'policy_last_good_unreadable',
      message: expect.stringMatching(/last-good\.json.*EISDIR/),
    });
  });

  it('is not written over', async () => {
    const kept = store.keep(recordOf('a', '1'), Buffer.from('one'));
    await expect(kept).rejects.toMatchObject({ code: 'policy_last_good_unreadable' });
    expect(await readdir(folder)).toEqual(['last-good.json']);
  });
});

it('no record is nothing wrong', async () => {
  expect(await store.read()).toBeUndefined();
});

it('clears away old bundles and drafts of its own, and nothing else', async () => {
  await store.keep(recordOf('a', '1'), Buffer.from('one'));
  const draft = `${'c'.repeat(64)}.tar.gz.123.new`;
  await writeFile(join(folder, draft), '');
  await writeFile(join(folder, 'last-good.json.123.new'), '');
  await writeFile(join(folder, 'notes.txt'), '');
  await mkdir(join(folder, 'lost+found'));
  await mkdir(join(folder, `${'d'.repeat(64)}.tar.gz`));
  for (const name of await readdir(folder)) await utimes(join(folder, name), LONG_AGO, LONG_AGO);
  await writeFile(join(folder, `${'e'.repeat(64)}.tar.gz`), 'of another process, just now');
  await store.keep(recordOf('b', '2'), Buffer.from('two'));
  expect((await readdir(folder)).sort()).toEqual(
    [
      `${'b'.repeat(64)}.tar.gz`,
      `${'d'.repeat(64)}.tar.gz`,
      `${'e'.repeat(64)}.tar.gz`,
      'last-good.json',
      'lost+found',
      'notes.txt',
    ].sort(),
  );
  expect(await readFile(join(folder, 'last-good.json'), 'utf8')).toContain('"2"');
});
