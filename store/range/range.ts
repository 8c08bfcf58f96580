// What is asked of a range and what comes back, before anything is encoded. Times are µs since 1970 UTC.
import type { Position } from '../../lib/feed/feed.ts';
import type { Series } from '../series.ts';
import type { Buckets } from './buckets.ts';
import type { Explained } from './explain.ts';
import type { PathColumns } from './path.ts';
import type { QuantileColumns } from './sketch.ts';
import type { IntervalColumns, TimeInStateColumns } from './states.ts';

/** How the domain is divided. `raw` gives points; the others give buckets. */
export type RangeResolution =
  | { readonly kind: 'width'; readonly pixels: number }
  /** Buckets start at `originMs` (default 0: 1970-01-01) plus multiples of `stepMs`; parseStep gives both. */
  | { readonly kind: 'step'; readonly stepMs: number; readonly originMs?: number }
  /** Buckets lie between these edges, rising; the request's own start and end are not looked at. */
  | { readonly kind: 'edges'; readonly edgesUs: Float64Array }
  | { readonly kind: 'raw'; readonly limit: number; readonly after?: RawPosition };

/** Where a page of raw points ended: series are paged in the order of the request, points by time. */
export interface RawPosition {
  readonly seriesId: number;
  readonly timeUs: number;
}

export interface RangeRequest {
  /** Already resolved and already allowed. */
  readonly series: readonly Series[];
  /** Half-open [startUs, endUs). */
  readonly startUs: number;
  readonly endUs: number;
  readonly resolution: RangeResolution;
  /** Count, sum and squares of each bucket too; a line does not need them, and they cost a third more to read. */
  readonly stats?: boolean;
  /** What the points' order gives: time-weighted means, increase and rate. */
  readonly path?: boolean;
  /** Counts of values, for percentiles. */
  readonly sketch?: boolean;
  /** What series of states are asked instead; those of numbers are not read then. */
  readonly states?: StatesRequest;
  /** Points before this are not looked at, also where the one before a bucket is asked for. */
  readonly earliestUs?: number;
  /** Whether the answer is to say how it was read. */
  readonly explain?: boolean;
  /** Ends the reading: what runs is cancelled where the engine can, what waits is not begun. */
  readonly signal?: AbortSignal;
}

/**
 * How long states held: as intervals, which begin at edges of the resolution's buckets, or anywhere where it is raw; or
 * by bucket. Nothing holds beyond now. Where there would be more than `intervalsMax` intervals over all series, they are
 * told more coarsely, and the answer's buckets say how.
 */
export type StatesRequest =
  | { readonly as: 'intervals'; readonly nowUs: number; readonly intervalsMax: number }
  | { readonly as: 'time_in_state'; readonly nowUs: number };

/** A stretch of the domain and the level that served it: `raw` or a rollup's level. */
export interface RangeSegment {
  readonly level: string;
  readonly startUs: number;
  readonly endUs: number;
}

/** m4 columns of one number series: one entry a bucket that holds points, in the order of time. */
export interface M4Columns {
  readonly t: Float64Array;
  readonly first: Float64Array;
  readonly tFirst: Float64Array;
  readonly last: Float64Array;
  readonly tLast: Float64Array;
  readonly min: Float64Array;
  readonly tMin: Float64Array;
  readonly max: Float64Array;
  readonly tMax: Float64Array;
  /** These are present if the request asked for them. */
  readonly stats?: StatsColumns;
  readonly path?: PathColumns;
  readonly quantiles?: QuantileColumns;
}

export interface StatsColumns {
  readonly count: Float64Array;
  readonly sum: Float64Array;
  /** Sum of squares about the bucket's mean. */
  readonly squares: Float64Array;
}

/** Buckets of one state series: text has a first and a last value, but no extremes. */
export interface StateColumns {
  readonly t: Float64Array;
  readonly first: readonly string[];
  readonly tFirst: Float64Array;
  readonly last: readonly string[];
  readonly tLast: Float64Array;
  readonly count: Float64Array;
}

/** Raw points of one series. A state's value is a string. */
export interface RawColumns {
  readonly t: Float64Array;
  readonly v: Float64Array | readonly string[];
  readonly q: Int16Array;
}

export type RangeColumns =
  | ({ readonly kind: 'm4' } & M4Columns)
  | ({ readonly kind: 'state' } & StateColumns)
  | ({ readonly kind: 'raw' } & RawColumns)
  | ({ readonly kind: 'intervals' } & IntervalColumns)
  | ({ readonly kind: 'time_in_state' } & TimeInStateColumns);

export interface RangeAnswer {
  /** The domain really served: snapped outward to whole buckets. */
  readonly startUs: number;
  readonly endUs: number;
  /** What was asked for may be less: these are what the domain is made of. null for raw and for exact intervals. */
  readonly buckets: Buckets | null;
  /** The coarsest level used, or `raw`. */
  readonly level: string;
  readonly segments: readonly RangeSegment[];
  /** False when data of the domain is known to be missing. */
  readonly complete: boolean;
  /** Every series of the request in its order, also those without points here. */
  readonly series: readonly { readonly series: Series; readonly columns: RangeColumns }[];
  /** The answer holds everything up to here. */
  readonly position: Position;
  /** Present where more raw points follow. */
  readonly next?: RawPosition;
  /** Present where it was asked for. */
  readonly explained?: Explained;
}
