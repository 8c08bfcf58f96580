// What one decision allows, as data.
import {
  compileSelector,
  type Selectable,
  type Selector,
  type SeriesPredicate,
} from '../lib/selector.ts';

export const ACTIONS = [
  'series',
  'range',
  'latest',
  'tail',
  'write',
  'publish',
  'subscribe',
  'export',
  'import',
  'objects',
  'jobs',
  'dead-letters',
  'decisions',
  'revoke',
  'admin',
] as const;
export type Action = (typeof ACTIONS)[number];

/** Verified claims of a token, under the names that the policy sees. Anything else the token says is kept beside. */
export interface Claims {
  readonly sub: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  /** Seconds since 1970. */
  readonly exp: number;
  readonly jti?: string;
  readonly [claim: string]: unknown;
}

/** What the engine has to enforce on what a caller sees; absent means no limit. */
export interface Obligations {
  readonly finest_step_ms?: number;
  readonly lookback_ms?: number;
  readonly delay_ms?: number;
  readonly max_points?: number;
  readonly max_series?: number;
  readonly max_rate_hz?: number;
  readonly redact?: readonly string[];
}

/** One decision. Where `allow` is false, `selectors` is empty and `reason` says why. */
export interface Grant {
  readonly allow: boolean;
  readonly reason: string;
  readonly action: Action;
  readonly decisionId: string;
  /** Revision of the bundle that decided. */
  readonly revision: string;
  readonly tenant: string;
  /** A series is allowed if any of these matches it and it is the tenant's own. */
  readonly selectors: readonly Selector[];
  readonly obligations: Obligations;
}

/** What has to be known of a series to say whether a grant allows it. */
export type OwnedSeries = Selectable & { readonly tenant: string };

/**
 * Makes the predicate of a grant, for many series. A caller's asset list comes as one selector an asset: those are put
 * into one set, so that a list of thousands costs no more than one of two.
 */
export function seriesFilter(grant: Grant): (series: OwnedSeries) => boolean {
  const { allow, tenant, selectors } = grant;
  if (!allow) return () => false;
  const assets = new Set<string>();
  const predicates: SeriesPredicate[] = [];
  for (const selector of selectors) {
    const [only] = selector;
    if (selector.length === 1 && only?.label === 'asset' && only.op === '=') assets.add(only.value);
    else predicates.push(compileSelector(selector));
  }
  return (series) =>
    series.tenant === tenant &&
    (assets.has(series.asset) || predicates.some((predicate) => predicate(series)));
}

/** Whether a grant allows one series; `seriesFilter` is for many. */
export function allows(grant: Grant, series: OwnedSeries): boolean {
  return seriesFilter(grant)(series);
}

/** The series that a grant allows, in the order given. */
export function visibleSeries<S extends OwnedSeries>(grant: Grant, series: readonly S[]): S[] {
  return series.filter(seriesFilter(grant));
}

/** Labels without those that the caller may not see. */
export function redactLabels(
  grant: Grant,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const redact = grant.obligations.redact ?? [];
  if (!redact.some((label) => Object.hasOwn(labels, label))) return labels;
  return Object.fromEntries(Object.entries(labels).filter(([label]) => !redact.includes(label)));
}

/**
 * A caller's selector as it may be applied to unredacted series: to the caller a redacted label is absent, that is
 * empty. Else whoever asks for `{site=~"n.*"}` would read the hidden label letter by letter. Undefined where the
 * selector can match nothing then.
 */
export function redactSelector(grant: Grant, selector: Selector): Selector | undefined {
  const redact = new Set(grant.obligations.redact);
  if (redact.size === 0) return selector;
  const hidden = selector.filter(({ label }) => redact.has(label));
  const holdsWhenAbsent = compileSelector(hidden);
  if (!holdsWhenAbsent({ asset: '', channel: '', labels: {} })) return undefined;
  return selector.filter(({ label }) => !redact.has(label));
}
