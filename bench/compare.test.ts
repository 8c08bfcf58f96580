import { describe, expect, it } from 'vitest';
import { compareReports, noiseOf } from './compare.ts';
import type { CaseResult } from './harness.ts';
import type { StoredReport } from './report.ts';

function rate(value: number, spread = 0.05, name = 'area/rate'): CaseResult {
  const ceiling = { name: 'ceiling', value: 100 };
  return { name, value, unit: 'things/s', ceiling, ratio: value / 100, spread };
}

function latency(value: number, spread = 0.05): CaseResult {
  const ceiling = { name: 'ceiling', value: 10 };
  return { name: 'area/latency', value, unit: 'ms', ceiling, ratio: 10 / value, spread };
}

function report(...cases: CaseResult[]): StoredReport {
  return { machine: {}, versions: {}, commit: null, cases };
}

describe('comparing two reports', () => {
  it.each([
    ['the same figures', rate(60), rate(60), 'same'],
    ['a fall within the noise', rate(60), rate(58), 'same'],
    ['a fall beyond it', rate(60), rate(55), 'worse'],
    ['the same fall on a noisy machine', rate(60), rate(55, 0.5), 'same'],
    ['a rise beyond the noise', rate(60), rate(70), 'better'],
    ['a longer latency', latency(20), latency(30), 'worse'],
    ['a shorter latency', latency(30), latency(20), 'better'],
    ['half the speed, however noisy', rate(60, 0.9), rate(30, 0.9), 'worse'],
    [
      'a machine of half the speed',
      rate(60),
      { ...rate(30), ratio: 0.6, ceiling: { name: 'ceiling', value: 50 } },
      'same',
    ],
    [
      'a value that fell although its ratio says otherwise',
      rate(60),
      { ...rate(30), ratio: 0.6 },
      'worse',
    ],
  ] as const)('%s', (_, before, after, verdict) => {
    expect(compareReports(report(before), report(after))).toMatchObject([{ verdict }]);
  });

  it('tells of cases that only one report has', () => {
    const before = report(rate(60), rate(60, 0, 'area/old'));
    const after = report(rate(60), rate(60, 0, 'area/fresh'));
    expect(compareReports(before, after).map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      'area/rate same',
      'area/fresh new',
      'area/old gone',
    ]);
  });

  it('takes both spreads for the noise, and never none at all', () => {
    expect(noiseOf(0.2, 0.2)).toBeCloseTo(0.2, 12);
    expect(noiseOf(0.1, 0.3)).toBe(noiseOf(0.3, 0.1));
    expect(noiseOf(0, 0)).toBeGreaterThan(0);
  });
});
