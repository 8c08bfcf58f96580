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

/** The asset that a selector is bound to; undefined where it may match several. */
function assetOf(selector: Selector): string | undefined {
  return selector.find(({ label, op }) => label === 'asset' && op === '=')?.value;
}

const always: SeriesPredicate = () => true;

function anyOf(predicates: readonly SeriesPredicate[]): SeriesPredicate {
  const [only] = predicates;
  if (predicates.includes(always)) return always;
  if (predicates.length === 1 && only !== undefined) return only;
  return (series) => predicates.some((predicate) => predicate(series));
}

/**
 * Makes the predicate of a grant, for many series. A caller's assets come as one selector an asset, with or without
 * further matchers: those are looked up by the series' asset, so that a list of thousands costs no more than one of two.
 * Measured: 100,000 series in 6 to 9 ms on a busy machine, so that nothing has to be remembered between two requests.
 */
export function seriesFilter(grant: Grant): (series: OwnedSeries) => boolean {
  const { allow, tenant, selectors } = grant;
  if (!allow) return () => false;
  const byAsset = new Map<string, SeriesPredicate[]>();
  const others: SeriesPredicate[] = [];
  for (const selector of selectors) {
    const asset = assetOf(selector);
    // What is empty but for the asset needs no second look.
    const isWhole = selector.length === (asset === undefined ? 0 : 1);
    const predicate = isWhole ? always : compileSelector(selector);
    const those = asset === undefined ? others : (byAsset.get(asset) ?? []);
    those.push(predicate);
    if (asset !== undefined) byAsset.set(asset, those);
  }
  const ofAsset = new Map(Array.from(byAsset, ([asset, those]) => [asset, anyOf(those)]));
  const ofAny = anyOf(others);
  return (series) =>
    series.tenant === tenant && (ofAny(series) || (ofAsset.get(series.asset)?.(series) ?? false));
}

/** Whether a grant allows one series; `seriesFilter` is for many. */
export function allows(grant: Grant, series: OwnedSeries): boolean {
  return seriesFilter(grant)(series);
}

/** The series that a grant allows, in the order given. */
export function visibleSeries<S extends OwnedSeries>(grant: Grant, series: readonly S[]): S[] {
  return series.filter(seriesFilter(grant));
}

/** What of a series is shown. */
export interface ShownSeries extends Selectable {
  readonly unit: string | null;
}

/**
 * A series as the caller may see it: without redacted labels. `asset`, `channel` and `unit` can be redacted like any
 * other; they are empty then (the unit null).
 */
export function redactSeries<S extends ShownSeries>(grant: Grant, series: S): S {
  const { redact = [] } = grant.obligations;
  if (redact.length === 0) return series;
  const { asset, channel, unit } = series;
  return {
    ...series,
    asset: redact.includes('asset') ? '' : asset,
    channel: redact.includes('channel') ? '' : channel,
    unit: redact.includes('unit') ? null : unit,
    labels: withoutLabels(series.labels, redact),
  };
}

function withoutLabels(labels: Readonly<Record<string, string>>, redact: readonly string[]) {
  if (!redact.some((label) => Object.hasOwn(labels, label))) return labels;
  return Object.fromEntries(Object.entries(labels).filter(([label]) => !redact.includes(label)));
}

/** Whether the caller may say `asset/channel`: where either is redacted, a name would be a way to guess it. */
export function mayName(grant: Grant): boolean {
  const { redact = [] } = grant.obligations;
  return !redact.includes('asset') && !redact.includes('channel');
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
