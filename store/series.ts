// What a series is.

export type ValueKind = 'number' | 'state';
export type IndexKind = 'time' | 'depth';

/** What makes a series that series: one of these within its tenant, whatever its unit or kind. */
export interface SeriesIdentity {
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Series extends SeriesIdentity {
  readonly id: number;
  readonly unit: string | null;
  readonly kind: ValueKind;
  readonly index: IndexKind;
}
