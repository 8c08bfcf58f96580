// store/range/plan: which level serves which stretch of a range.
import { uniformBuckets } from '../../store/range/buckets.ts';
import { type PlanInput, planRange } from '../../store/range/plan.ts';
import type { MicroBench } from './area.ts';

const HOUR_US = 3600e6;
const DAY_US = 24 * HOUR_US;
const NOW_US = 1.7e15 - (1.7e15 % DAY_US);
const LATE_RANGES = 50;

export function planBenches(): MicroBench[] {
  const rollups = [
    { level: '1m', ordinal: 20, bucketUs: 60e6 },
    { level: '5m', ordinal: 25, bucketUs: 300e6 },
    { level: '15m', ordinal: 30, bucketUs: 900e6 },
    { level: '1h', ordinal: 40, bucketUs: HOUR_US },
    { level: '6h', ordinal: 45, bucketUs: 6 * HOUR_US },
    { level: '1d', ordinal: 50, bucketUs: DAY_US },
  ].map((rollup) => ({
    ...rollup,
    name: `rollup_${rollup.level}`,
    materialisedBeforeUs: NOW_US,
  }));
  const input: PlanInput = {
    buckets: uniformBuckets({ stepUs: 6 * HOUR_US, originUs: 0 }, NOW_US - 365 * DAY_US, NOW_US),
    rollups,
    dirty: Array.from({ length: LATE_RANGES }, (_, index) => ({
      startUs: NOW_US - (7 * index + 2) * DAY_US,
      endUs: NOW_US - (7 * index + 2) * DAY_US + 60e6,
      refreshed: 20,
    })),
  };
  const plan = planRange(input);
  return [
    {
      name: `plan a year with ${LATE_RANGES} late ranges`,
      run: () => planRange(input),
      floor: {
        name: 'copying the finished plan',
        run: () =>
          Object.freeze({
            ...plan,
            segments: Object.freeze(plan.segments.map((segment) => ({ ...segment }))),
          }),
      },
    },
  ];
}
