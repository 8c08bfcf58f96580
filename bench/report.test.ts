import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CaseResult } from './harness.ts';
import { readMachine, readPackageVersion } from './machine.ts';
import { formatReport, formatTable, judgeTarget, type Report, readReport } from './report.ts';

const result: CaseResult = {
  name: 'area/rate',
  value: 123456,
  unit: 'things/s',
  ceiling: { name: 'plain loop', value: 200000 },
  ratio: 0.61728,
  spread: 0.042,
};
const report: Report = {
  machine: readMachine(),
  versions: {
    node: '20.0.0',
    tailrace: readPackageVersion(),
    database: 'PostgreSQL 17.5',
    timescaledb: null,
    mosquitto: null,
  },
  commit: 'abc',
  cases: [result],
};

describe('the report', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-report-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads back what was written', () => {
    const path = join(folder, 'report.json');
    writeFileSync(path, JSON.stringify(report));
    expect(readReport(path)).toEqual(report);
  });

  it.each([
    ['no JSON', 'nonsense'],
    ['a case without a ratio', JSON.stringify({ ...report, cases: [{ ...result, ratio: 'x' }] })],
    ['another document', '{}'],
  ])('refuses %s with the file named', (_, text) => {
    const path = join(folder, 'other.json');
    writeFileSync(path, text);
    expect(() => readReport(path)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  it('shows people figures, versions and what was missed', () => {
    const table = formatReport(report, new Map([['area/rate', { kind: 'ratio', min: 0.7 }]]));
    expect(table).toContain('123,456 things/s');
    expect(table).toContain('61.7 %');
    expect(table).toContain('≥ 70 % MISSED');
    expect(table).toContain('PostgreSQL 17.5');
    expect(table).not.toContain('mosquitto');
  });

  it('judges ratios upwards and values downwards', () => {
    expect(judgeTarget({ kind: 'ratio', min: 0.6 }, result)).toBe('≥ 60 % met');
    expect(judgeTarget({ kind: 'value', max: 100 }, { ...result, value: 99, unit: 'ms' })).toBe(
      '< 100 ms met',
    );
    expect(judgeTarget(undefined, result)).toBe('');
  });

  it('lines columns up, words to the left and figures to the right', () => {
    const table = formatTable(
      ['a', 'bb'],
      [
        ['x', '1'],
        ['long', '22.5'],
      ],
    );
    expect(table.split('\n')).toEqual(['a     bb', '────  ────', 'x        1', 'long  22.5']);
  });
});
