// What a figure was measured on: without it a figure is hearsay.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { Machine } from './report.ts';

/** The machine that this process runs on. */
export function readMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memory_bytes: totalmem(),
    kernel: `${type()} ${release()}`,
  };
}

/** tailrace's own version, from the package file beside the sources or above dist/. */
export function readPackageVersion(): string {
  const file = ['../package.json', '../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (file === undefined) return 'unknown';
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The commit that the sources stand at, `-dirty` if they were changed since; null outside a git checkout. */
export function readCommit(): string | null {
  try {
    const commit = git('rev-parse', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
  } catch {
    // No git, or no repository: a report without a commit still says what was measured.
    return null;
  }
}

function git(...words: string[]): string {
  const cwd = new URL('.', import.meta.url);
  return execFileSync('git', words, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
