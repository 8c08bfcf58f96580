// How much one range may ask for, and the step that would be admitted where it asks for more.
import { TailraceError } from '../../lib/errors.ts';

/** Buckets of one answer over all series; each takes some 100 bytes on its way. */
const BUCKETS_MAX = 1_000_000;

const DAY_MS = 86_400_000;
const STEPS: readonly (readonly [text: string, ms: number])[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => [`${n}ms`, n] as const),
  ...[1, 2, 5, 10, 20, 30].map((n) => [`${n}s`, n * 1_000] as const),
  ...[1, 2, 5, 15, 30].map((n) => [`${n}m`, n * 60_000] as const),
  ...[1, 2, 3, 6, 12].map((n) => [`${n}h`, n * 3_600_000] as const),
];

/** The smallest usual step of at least so many ms: `[as text, in ms]`; whole days above half a day. */
export function usualStepAtLeast(ms: number): readonly [text: string, ms: number] {
  const usual = STEPS.find(([, stepMs]) => stepMs >= ms);
  if (usual !== undefined) return usual;
  const days = Math.ceil(ms / DAY_MS);
  return [`${days}d`, days * DAY_MS];
}

/** The step that keeps `seriesCount` series over a span within `bucketsMax` buckets. */
export function stepWithin(spanUs: number, seriesCount: number, bucketsMax: number) {
  const buckets = Math.max(1, Math.floor(bucketsMax / Math.max(1, seriesCount)));
  // One bucket may stand out at each end of the domain.
  return usualStepAtLeast(spanUs / 1_000 / Math.max(1, buckets - 2));
}

/** @throws TailraceError `too_costly` with the step that would be admitted. */
export function admit(spanUs: number, stepMs: number, seriesCount: number): void {
  const buckets = (spanUs / 1_000 / stepMs) * seriesCount;
  if (buckets <= BUCKETS_MAX) return;
  const [step] = stepWithin(spanUs, seriesCount, BUCKETS_MAX);
  throw new TailraceError(
    'too_costly',
    `That would be ${Math.ceil(buckets)} buckets, and an answer has ${BUCKETS_MAX} at most; a step of ${step} is admitted.`,
    { details: { parameter: 'step', step } },
  );
}
