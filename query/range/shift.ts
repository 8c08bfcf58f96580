// Another period for comparison: what was read of then, at the times of now.
import { type Buckets, bucketsBetween } from '../../store/range/buckets.ts';
import type { RangeAnswer, RangeColumns } from '../../store/range/range.ts';

function shiftBuckets(buckets: Buckets, offsetUs: number): Buckets {
  if (buckets.kind === 'uniform') return { ...buckets, startUs: buckets.startUs + offsetUs };
  return bucketsBetween(buckets.edgesUs.map((edge) => edge + offsetUs));
}

function shiftColumns(columns: RangeColumns, offsetUs: number): RangeColumns {
  const later = (times: Float64Array) => times.map((us) => us + offsetUs);
  if (columns.kind === 'intervals') {
    return { ...columns, start: later(columns.start), end: later(columns.end) };
  }
  const t = later(columns.t);
  if (columns.kind === 'time_in_state') return { ...columns, t };
  if (columns.kind === 'raw') return { ...columns, t };
  const ends = { t, tFirst: later(columns.tFirst), tLast: later(columns.tLast) };
  if (columns.kind === 'state') return { ...columns, ...ends };
  return { ...columns, ...ends, tMin: later(columns.tMin), tMax: later(columns.tMax) };
}

/** The answer with every time later by `offsetUs`, but for the page: that goes on where it was read. */
export function shiftAnswer(answer: RangeAnswer, offsetUs: number): RangeAnswer {
  if (offsetUs === 0) return answer;
  const { buckets, segments, series, explained } = answer;
  const later = <T extends { readonly startUs: number; readonly endUs: number }>(one: T): T => ({
    ...one,
    startUs: one.startUs + offsetUs,
    endUs: one.endUs + offsetUs,
  });
  return {
    ...later(answer),
    buckets: buckets === null ? null : shiftBuckets(buckets, offsetUs),
    segments: segments.map(later),
    ...(explained && {
      explained: {
        ...explained,
        families: explained.families.map((one) => ({ ...one, segments: one.segments.map(later) })),
      },
    }),
    series: series.map(({ series: one, columns }) => ({
      series: one,
      columns: shiftColumns(columns, offsetUs),
    })),
  };
}
