// Measures a case: workload and ceiling by turns in one run, so that whatever else the machine does meets both.
import type { BenchCase } from './case.ts';
import { median, ratioToCeiling, spread } from './statistics.ts';

/** What a report says of one case. */
export interface CaseResult {
  readonly name: string;
  /** Median over the pairs, as is the ceiling's. */
  readonly value: number;
  readonly unit: string;
  readonly ceiling: { readonly name: string; readonly value: number };
  /** value / ceiling, or ceiling / value where less is better: more is always better. */
  readonly ratio: number;
  /** (max − min) / median of the pairs' ratios: what the machine did to both halves of a pair cancels out. */
  readonly spread: number;
}

/** One workload and one ceiling, measured next to each other. */
export interface Pair {
  readonly value: number;
  readonly ceiling: number;
}

/** Fewer pairs than this say nothing about the spread. */
export const PAIRS_MIN = 5;

/**
 * Runs a case: one pair to warm up, which is dropped, then `pairs` pairs, the ceiling first in every second one.
 * `onPair` hears of each. Throws whatever the case throws.
 */
export async function measureCase(
  benchCase: BenchCase,
  options: { pairs: number; onPair?: (pair: Pair, index: number) => void },
): Promise<CaseResult> {
  if (options.pairs < PAIRS_MIN) throw new RangeError(`a case needs ${PAIRS_MIN} pairs or more`);
  const count = benchCase.once === true ? 1 : options.pairs;
  if (benchCase.once !== true) await measurePair(benchCase, false);
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index++) {
    const pair = await measurePair(benchCase, index % 2 === 1);
    pairs.push(pair);
    options.onPair?.(pair, index);
  }
  return summarise(benchCase, pairs);
}

async function measurePair(benchCase: BenchCase, ceilingFirst: boolean): Promise<Pair> {
  if (ceilingFirst) {
    const ceiling = await benchCase.ceiling.run();
    return { value: await benchCase.run(), ceiling };
  }
  const value = await benchCase.run();
  return { value, ceiling: await benchCase.ceiling.run() };
}

/** The figures of a case from its pairs. */
export function summarise(
  benchCase: Pick<BenchCase, 'name' | 'unit' | 'better' | 'ceiling'>,
  pairs: readonly Pair[],
): CaseResult {
  const value = median(pairs.map((pair) => pair.value));
  const ceiling = median(pairs.map((pair) => pair.ceiling));
  const ratios = pairs.map((pair) => ratioToCeiling(pair.value, pair.ceiling, benchCase.better));
  return {
    name: benchCase.name,
    value: round(value),
    unit: benchCase.unit,
    ceiling: { name: benchCase.ceiling.name, value: round(ceiling) },
    ratio: round(ratioToCeiling(value, ceiling, benchCase.better)),
    spread: round(spread(ratios)),
  };
}

/** Six significant digits: more would only be noise in a file that people read and compare. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}
