import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeDirectory } from './directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-directory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('makes what is missing, with its mode, and is content with what is there', () => {
  const deep = join(folder, 'a/b/c');
  makeDirectory(deep, 0o700);
  makeDirectory(deep, 0o700);
  expect(statSync(deep).isDirectory()).toBe(true);
  expect(statSync(deep).mode & 0o777).toBe(0o700);
});

test('says which folder cannot be made, below a file and below /proc', () => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of [join(folder, 'file/x'), '/proc/tailrace/x']) {
    expect(() => makeDirectory(path)).toThrow(
      expect.objectContaining({ code: 'directory_unusable' }),
    );
  }
});
