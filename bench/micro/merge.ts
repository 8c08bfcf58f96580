// store/range/merge: points and rollup rows to the buckets of an answer.
import { addM4Rows, addPoints, createM4Table, type M4Rows } from '../../store/range/merge.ts';
import type { MicroBench } from './area.ts';

const ROWS = 12_000;
const BUCKETS = 1_200;
const START_US = 1_700_000_000_000_000;
const INTERVAL_US = 1_000_000;
const STEP_US = (ROWS / BUCKETS) * INTERVAL_US;

export function mergeBenches(): MicroBench[] {
  const timesUs = Float64Array.from({ length: ROWS }, (_, row) => START_US + row * INTERVAL_US);
  const values = Float64Array.from({ length: ROWS }, (_, row) => Math.sin(row / 100));
  const rows: M4Rows = {
    first: values,
    tFirst: timesUs,
    last: values,
    tLast: timesUs,
    min: values,
    tMin: timesUs,
    max: values,
    tMax: timesUs,
    count: new Float64Array(ROWS).fill(1),
    sum: values,
    squares: new Float64Array(ROWS),
  };
  const buckets = {
    ...{ kind: 'uniform' as const, startUs: START_US, stepUs: STEP_US, count: BUCKETS },
  };
  const table = () => createM4Table(buckets, false);
  return [
    {
      name: `merge ${ROWS} points into ${BUCKETS} buckets`,
      run: () => addPoints(table(), timesUs, values),
      floor: { name: 'the extremes of each bucket alone', run: () => extremes(values) },
    },
    {
      name: `merge ${ROWS} rollup rows into ${BUCKETS} buckets`,
      run: () => addM4Rows(table(), rows),
      floor: { name: 'the extremes of each bucket alone', run: () => extremes(values) },
    },
  ];
}

/** Minimum and maximum of every run of points that makes a bucket, with the bounds known beforehand. */
function extremes(values: Float64Array): Float64Array {
  const found = new Float64Array(2 * BUCKETS);
  const perBucket = ROWS / BUCKETS;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let row = bucket * perBucket; row < (bucket + 1) * perBucket; row++) {
      const value = values[row]!;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    found[2 * bucket] = min;
    found[2 * bucket + 1] = max;
  }
  return found;
}
