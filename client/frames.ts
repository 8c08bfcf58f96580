// What a tail hands on: the server's frames, as JSON has them. Times are milliseconds since 1970 UTC, a fraction where
// finer.

/** A series as `subscribed` and `series` frames show it. */
export interface FrameSeries {
  readonly id: number;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string | null;
  readonly kind: 'number' | 'state';
}

/** `[series id, time, value]`, and the quality where it is not good. */
export type FramePoint = readonly [id: number, t: number, v: number | string, q?: number];

/** `[series id, bucket's start, first, last, min, max, count]`; a text has no extremes. */
export type FrameBucket = readonly [
  id: number,
  t: number,
  first: number | string,
  last: number | string,
  min: number | null,
  max: number | null,
  count: number,
];

type Column = readonly (number | null)[];

/** One series of a snapshot: `t` and `v` where points are raw, otherwise a column for each aggregate. */
export interface SnapshotSeries {
  readonly id: number;
  readonly asset: string;
  readonly channel: string;
  readonly t?: readonly number[];
  readonly v?: readonly (number | string | null)[];
  readonly q?: readonly (number | null)[];
  readonly first?: Column;
  readonly t_first?: Column;
  readonly last?: Column;
  readonly t_last?: Column;
  readonly min?: Column;
  readonly t_min?: Column;
  readonly max?: Column;
  readonly t_max?: Column;
}

export interface SnapshotFrame {
  readonly type: 'snapshot';
  readonly id: string;
  readonly range: {
    readonly start: number;
    readonly end: number;
    readonly step_ms: number | null;
    readonly level: string;
    readonly complete: boolean;
  };
  readonly series: readonly SnapshotSeries[];
  readonly cursor: string;
}

export type Frame =
  | {
      readonly type: 'subscribed';
      readonly id: string;
      readonly series: readonly FrameSeries[];
      readonly cursor: string;
      /** False where points between `since` and now are not sent; null where there was no `since`. */
      readonly recovered: boolean | null;
    }
  | SnapshotFrame
  | {
      readonly type: 'data';
      readonly id: string;
      readonly cursor: string;
      readonly points: readonly FramePoint[];
      readonly dropped: number;
    }
  | {
      readonly type: 'summary';
      readonly id: string;
      readonly cursor: string;
      readonly buckets: readonly FrameBucket[];
      readonly dropped: number;
    }
  | {
      readonly type: 'series';
      readonly id: string;
      readonly added: readonly FrameSeries[];
      readonly removed?: readonly number[];
    }
  | { readonly type: 'error'; readonly id?: string; readonly code: string; readonly detail: string }
  | {
      readonly type: 'warning';
      readonly code: string;
      readonly detail: string;
      readonly expires_at?: number;
    }
  | { readonly type: 'reauthed'; readonly expires_at: number }
  | {
      readonly type: 'bye';
      /** The close code that follows. */
      readonly code: number;
      readonly detail: string;
      /** Points that waited and were not sent; a tail that goes on by its cursor is sent them. */
      readonly dropped?: number;
    };
