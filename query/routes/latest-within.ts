// The newest points that a caller under obligations may see. What is kept in memory is the newest there is, which is
// too fresh or too fine for it: so its newest bucket is read as a range would give it.
import type { Grant } from '../../policies/grant.ts';
import type { LatestPoint } from '../../store/latest.ts';
import type { RangeColumns } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import { usualStepAtLeast } from '../range/admission.ts';
import { type RangeQuestion, type RangeSources, readRange } from '../range/read.ts';

const HOUR_US = 3_600e6;
/** How far back is looked, one after the other, for series that have nothing newer. */
const WINDOWS_US = [HOUR_US, 24 * HOUR_US, 366 * 24 * HOUR_US];
/** Buckets of a window: the newest point may be that part of it older than what could be shown. */
const BUCKETS = 1_000;

/** Whether a grant allows less than the newest points as they are. */
export function isNarrowed({ obligations }: Grant): boolean {
  const { delay_ms: delay = 0, finest_step_ms: finest = 0, lookback_ms: lookback } = obligations;
  return delay > 0 || finest > 0 || lookback !== undefined;
}

function lastOf(series: Series, columns: RangeColumns): LatestPoint | undefined {
  if (columns.kind === 'raw') return undefined;
  const [timeUs, value] = [columns.tLast.at(-1), columns.last.at(-1)];
  if (timeUs === undefined || value === undefined) return undefined;
  // Buckets do not keep the quality of their points.
  return { series, timeUs, value, quality: 0 };
}

/** The newest points within the grant's obligations, in the order of `series`. */
export async function latestWithin(
  grant: Grant,
  series: readonly Series[],
  sources: RangeSources,
  nowUs: number,
): Promise<LatestPoint[]> {
  const found = new Map<number, LatestPoint>();
  for (const windowUs of WINDOWS_US) {
    const missing = series.filter((one) => !found.has(one.id));
    if (missing.length === 0) break;
    const [, stepMs] = usualStepAtLeast(windowUs / 1_000 / BUCKETS);
    const query = {
      ...{ startUs: nowUs - windowUs, endUs: nowUs, aggregates: ['m4'], fill: 'none' },
      resolution: { kind: 'step', stepMs },
    } as const satisfies RangeQuestion;
    const { answer } = await readRange(missing, query, grant, sources, nowUs);
    for (const { series: one, columns } of answer.series) {
      const point = lastOf(one, columns);
      if (point !== undefined) found.set(one.id, point);
    }
  }
  return series.flatMap((one) => found.get(one.id) ?? []);
}
