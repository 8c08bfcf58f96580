// The bench as it is called: the built program, its output and its exit status.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from './report.ts';

const MAIN = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-bench-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...words: string[]) {
  return spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
}

/** The path of a file with a report of one case. */
function written(name: string, value: number): string {
  const path = join(folder, name);
  const ceiling = { name: 'ceiling', value: 100 };
  const one = { name: 'area/case', value, unit: 'x/s', ceiling, ratio: value / 100, spread: 0.02 };
  writeFileSync(path, JSON.stringify({ machine: {}, versions: {}, commit: null, cases: [one] }));
  return path;
}

describe('npm run bench', () => {
  it('prints one JSON object and nothing else with --json, and the same into --out', () => {
    const out = join(folder, 'out.json');
    const run = bench('micro/copy-binary', '--quick', '--json', '--out', out);
    expect(run.status).toBe(0);
    const report: Report = JSON.parse(run.stdout);
    expect(Object.keys(report)).toEqual(['machine', 'versions', 'commit', 'cases']);
    expect(report.machine.cores).toBeGreaterThan(0);
    expect(report.versions.node).toBe(process.versions.node);
    expect(report.cases).not.toHaveLength(0);
    for (const { name, value, unit, ceiling, ratio, spread } of report.cases) {
      expect(name).toMatch(/^micro\/copy-binary/);
      expect(unit).toBe('operations/s');
      expect(ratio).toBeCloseTo(value / ceiling.value, 4);
      expect(spread).toBeGreaterThanOrEqual(0);
    }
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(report);
    expect(run.stderr).toContain('micro/copy-binary');
  });

  it('lists its areas', () => {
    const run = bench('--list');
    expect(run.status).toBe(0);
    for (const area of ['ingest', 'range', 'micro']) expect(run.stdout).toContain(area);
  });

  it.each([
    [['no-such-area'], 'no-such-area'],
    [['micro/no-such-case'], 'no case'],
    [['--pairs', '2'], '--pairs'],
    [['--no-such-option'], '--no-such-option'],
    [['compare', 'one.json'], 'after'],
    [['compare', 'one.json', 'two.json'], 'one.json'],
  ])('exits with 2 for wrong usage: %j', (words, said) => {
    const run = bench(...words);
    expect(run.status).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toContain(said);
  });

  it.each([
    [60, 60, 0, 'same'],
    [60, 90, 0, 'better'],
    [60, 40, 1, 'worse'],
  ])('compares %d with %d: exit status %d, %s', (before, after, status, verdict) => {
    const run = bench('compare', written('before.json', before), written('after.json', after));
    expect(run.stdout).toContain(verdict);
    expect(run.status).toBe(status);
  });
});
