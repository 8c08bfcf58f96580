// Compares two reports, case by case: did anything get worse by more than the machine's noise?
import type { CaseResult } from './harness.ts';
import { formatFigure, formatShare, formatTable, type StoredReport } from './report.ts';

type Verdict = 'better' | 'worse' | 'same' | 'new' | 'gone';

export interface Comparison {
  readonly name: string;
  readonly verdict: Verdict;
  /** New ratio / old ratio: below 1 is worse. 1 for a case that only one report has. */
  readonly change: number;
  /** Changes by less than this factor (0.05 for 5 %) are noise. */
  readonly noise: number;
  readonly before: CaseResult | undefined;
  readonly after: CaseResult | undefined;
}

/** A change below this is never called one: two runs on an idle machine differ by as much. */
const NOISE_MIN = 0.03;

/**
 * How much two measurements of the same thing may differ by chance, from their spreads. For five pairs the range is
 * 2.3 standard deviations on average and the standard error of the median 0.54 of one, so the difference of two medians
 * has a standard error of a third of a (common) spread. Three standard errors, about one false alarm in 370 cases, are
 * then the root mean square of the two spreads.
 */
export function noiseOf(spreadBefore: number, spreadAfter: number): number {
  return Math.max(NOISE_MIN, Math.hypot(spreadBefore, spreadAfter) / Math.SQRT2);
}

/**
 * Compares two reports. What is compared is each case's ratio to its ceiling and not its value: both halves of a ratio
 * were measured side by side, so another load or another machine moves it far less. A case is worse when its old ratio
 * is more than 1 + noise times its new one, better the other way round. Where a file's ratio does not follow from its
 * value and ceiling any more, the worse of the two readings counts.
 */
export function compareReports(before: StoredReport, after: StoredReport): Comparison[] {
  const old = new Map(before.cases.map((result) => [result.name, result]));
  const compared = after.cases.map((result) => compareCase(old.get(result.name), result));
  const present = new Set(after.cases.map((result) => result.name));
  const gone = before.cases.filter((result) => !present.has(result.name));
  return [
    ...compared,
    ...gone.map((result) => ({
      name: result.name,
      verdict: 'gone' as const,
      change: 1,
      noise: 0,
      before: result,
      after: undefined,
    })),
  ];
}

function compareCase(before: CaseResult | undefined, after: CaseResult): Comparison {
  if (before === undefined) {
    return { name: after.name, verdict: 'new', change: 1, noise: 0, before, after };
  }
  const noise = noiseOf(before.spread, after.spread);
  const change = Math.min(after.ratio / before.ratio, derivedRatio(after) / derivedRatio(before));
  return { name: after.name, verdict: judge(change, noise), change, noise, before, after };
}

function judge(change: number, noise: number): Verdict {
  if (change * (1 + noise) < 1) return 'worse';
  return change > 1 + noise ? 'better' : 'same';
}

/** The ratio that value and ceiling say, in the direction in which the unit is counted: rates up, durations down. */
function derivedRatio(result: CaseResult): number {
  return result.unit.endsWith('/s')
    ? result.value / result.ceiling.value
    : result.ceiling.value / result.value;
}

/** The comparison for people. */
export function formatComparison(comparisons: readonly Comparison[]): string {
  const figure = (result: CaseResult | undefined): string =>
    result === undefined
      ? ''
      : `${formatFigure(result.value)} ${result.unit} (${formatShare(result.ratio)})`;
  const rows = comparisons.map((one) => [
    one.name,
    figure(one.before),
    figure(one.after),
    one.noise === 0 ? '' : `${one.change >= 1 ? '+' : ''}${formatShare(one.change - 1)}`,
    one.noise === 0 ? '' : `± ${formatShare(one.noise)}`,
    one.verdict,
  ]);
  return formatTable(['case', 'before', 'after', 'change of ratio', 'noise', 'verdict'], rows);
}
