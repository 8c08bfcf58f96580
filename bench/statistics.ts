// The arithmetic of the bench: pure functions of samples.

/** The middle of the samples; of an even number, the mean of the two in the middle. Throws for none. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('median of no samples');
  return (lower + upper) / 2;
}

/** (max − min) / median: 0 where all samples are the same. */
export function spread(samples: readonly number[]): number {
  const middle = median(samples);
  return middle === 0 ? 0 : (Math.max(...samples) - Math.min(...samples)) / Math.abs(middle);
}

/** The smallest sample that is not below `fraction` (0 to 1] of all samples (nearest rank). Throws for none. */
export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
  if (found === undefined) throw new RangeError('percentile of no samples');
  return found;
}

/** How much of its ceiling a value reaches: 1 is all of it, whether more is better (rates) or less (latencies). */
export function ratioToCeiling(value: number, ceiling: number, better: 'more' | 'less'): number {
  return better === 'more' ? value / ceiling : ceiling / value;
}
