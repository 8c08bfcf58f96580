// What the server says, as far as the page reads it: shapes of the HTTP answers. Times are milliseconds since 1970 UTC.
import type { SnapshotFrame, SnapshotSeries } from '../../client/frames.ts';

export interface SeriesInfo {
  readonly id: number;
  readonly asset: string;
  readonly channel: string;
  readonly unit: string | null;
  readonly kind: 'number' | 'state';
  readonly index: 'time' | 'depth';
  readonly first: number | null;
  readonly last: number | null;
}

export interface SeriesPage {
  readonly series: readonly SeriesInfo[];
  readonly next?: string;
}

export interface Obligations {
  readonly finest_step_ms?: number;
  readonly lookback_ms?: number;
  readonly delay_ms?: number;
  readonly max_points?: number;
  readonly max_series?: number;
  readonly max_rate_hz?: number;
  readonly redact?: readonly string[];
}

/** One series of a range, as a tail's snapshot has it, or intervals of states. The page asks for no empty buckets. */
export interface RangeSeries extends Omit<SnapshotSeries, 'asset' | 'channel'> {
  readonly value?: readonly string[];
  readonly start?: readonly number[];
  readonly end?: readonly number[];
}

export interface RangeAnswer extends Pick<SnapshotFrame, 'range' | 'cursor'> {
  readonly series: readonly RangeSeries[];
  readonly next?: string;
  readonly policy?: { readonly revision: string; readonly obligations?: Obligations };
}

export interface Latest {
  readonly series: readonly { id: number; t: number; v: number | string }[];
}

/** Where one signs in, by OpenID Connect. */
export interface SignIn {
  readonly issuer: string;
  readonly client_id: string;
  readonly scope: string;
  readonly resource?: string;
}

/** Who the server takes the token's bearer for. */
export interface Me {
  readonly subject: string;
  readonly tenant: string;
  readonly roles: readonly string[];
}

/** What the demo gives the page when it opens; no other server has it. */
export interface DemoSession {
  readonly token: string;
  readonly view?: string;
  /** What a person has to know about an asset, by asset. */
  readonly notes?: Readonly<Record<string, string>>;
  /** Units of series to which no rule gave one, by `asset/channel`. */
  readonly units?: Readonly<Record<string, string>>;
}
