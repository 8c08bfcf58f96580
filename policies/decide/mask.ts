// A decision as it is recorded: who, what, by which rules, with what result. Claims that are not known to be harmless
// are masked, what is too large is erased, and both are listed, as in OPA's decision logs. Pure.
import { hash } from 'node:crypto';
import type { Grant } from '../grant.ts';
import type { Decision, DecisionInput } from './decision.ts';

/**
 * Claims whose values are kept: what the shipped rules read, and what tokens of OAuth and OpenID Connect say about
 * themselves. Names, addresses and whatever else an issuer adds are nobody's business in a log.
 */
const CLEAR_CLAIMS: ReadonlySet<string> = new Set([
  ...['sub', 'tenant', 'roles', 'iss', 'aud', 'exp', 'iat', 'nbf', 'jti'],
  ...['azp', 'client_id', 'scope', 'acr', 'amr', 'auth_time'],
  ...['assets', 'asset_groups', 'shift', 'clearance', 'device'],
]);

const MASK = '***';
/** Of one value, as JSON. */
const VALUE_CHARS_MAX = 4_096;
const REASON_CHARS_MAX = 1_000;
const NAME_CHARS_MAX = 200;
/** Claims, labels, obligations, and paths of what was left out. */
const MEMBERS_MAX = 100;
const SELECTORS_KEPT_MAX = 100;
const SELECTORS_CHARS_MAX = 16_384;
/** Of a text with an index: PostgreSQL takes 2,704 bytes an entry. */
const INDEXED_CHARS_MAX = 200;

/** What was asked, as far as it may be kept. */
export interface RecordedInput {
  readonly action: string;
  readonly now: number;
  readonly subject: Readonly<Record<string, unknown>>;
  readonly tenant: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, unknown>>;
  /** Paths whose values were replaced, such as `subject.email`. */
  readonly masked?: readonly string[];
  /** Paths that were left out because they were too large. */
  readonly erased?: readonly string[];
}

/** What was decided. */
export interface RecordedResult {
  readonly allow: boolean;
  readonly reason: string;
  /** The first of the selectors; `series_count` says how many there were. */
  readonly series: readonly unknown[];
  readonly series_count: number;
  readonly obligations: Readonly<Record<string, unknown>>;
  /** Where the policy failed: what was wrong, for operators. */
  readonly fault?: string;
}

/** A row of the log. */
export interface RecordedDecision {
  readonly id: string;
  /** µs since 1970 UTC. */
  readonly time_us: number;
  readonly tenant: string;
  readonly subject: string;
  readonly action: string;
  readonly allowed: boolean;
  readonly revision: string;
  readonly input: RecordedInput;
  readonly result: RecordedResult;
  readonly duration_us: number;
}

/** Makes the record of a decision; some 30 KB at most, whatever the token and the policy say. */
export function recordOf({ input, grant, fault, durationUs }: Decision): RecordedDecision {
  return {
    id: grant.decisionId,
    time_us: Math.round(input.nowMs * 1_000),
    tenant: indexedText(grant.tenant),
    subject: indexedText(input.claims.sub),
    action: grant.action,
    allowed: grant.allow,
    revision: clipped(grant.revision, REASON_CHARS_MAX),
    input: recordedInput(input),
    result: recordedResult(grant, fault),
    duration_us: Math.round(durationUs * 10) / 10,
  };
}

/** A text as it stands in an indexed column: one that cannot stand there whole keeps its beginning, and a hash. */
export function indexedText(text: string): string {
  const kept = clipped(text, INDEXED_CHARS_MAX);
  return kept === text ? text : `${kept}…${hash('sha256', text, 'base64url')}`;
}

function recordedInput(input: DecisionInput): RecordedInput {
  const { action, nowMs, claims, labels } = input;
  const masked: string[] = [];
  const erased: string[] = [];
  const subject = maskClaims(claims, masked, erased);
  const tenant =
    claims.tenant.length > VALUE_CHARS_MAX ? indexedText(claims.tenant) : claims.tenant;
  const request = keepSmall({ ...input.request }, 'request', MEMBERS_MAX, erased);
  const of =
    labels === undefined ? {} : { labels: keepSmall(labels, 'labels', MEMBERS_MAX, erased) };
  return {
    ...{ action, now: nowMs, subject, tenant: wellFormed(tenant), request, ...of },
    ...(masked.length === 0 ? {} : { masked }),
    ...(erased.length === 0 ? {} : { erased }),
  };
}

function maskClaims(
  claims: Readonly<Record<string, unknown>>,
  masked: string[],
  erased: string[],
): Record<string, unknown> {
  // Known claims first: whatever else a token is stuffed with, it does not push them out.
  const names = Object.keys(claims).filter((name) => claims[name] !== undefined);
  const clear = names.filter((name) => CLEAR_CLAIMS.has(name)).map((name) => [name, claims[name]]);
  const kept = keepSmall(Object.fromEntries(clear), 'subject', MEMBERS_MAX, erased);
  const others = names.filter((name) => !CLEAR_CLAIMS.has(name)).map(wellFormed);
  const shown = others.filter((name) => name.length <= NAME_CHARS_MAX).slice(0, MEMBERS_MAX);
  masked.push(...shown.map((name) => `subject.${name}`));
  if (shown.length < others.length) erased.push('subject');
  return Object.fromEntries([...Object.entries(kept), ...shown.map((name) => [name, MASK])]);
}

/** The members that are small enough, at most so many; the paths of the others go to `erased`. */
function keepSmall(
  members: Readonly<Record<string, unknown>>,
  path: string,
  countMax: number,
  erased: string[],
): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) continue;
    if (kept.length < countMax && sizeOf(name) + sizeOf(value) <= VALUE_CHARS_MAX) {
      kept.push([wellFormed(name), wellFormedDeep(value)]);
    } else {
      erased.push(name.length <= NAME_CHARS_MAX ? `${path}.${wellFormed(name)}` : path);
    }
    if (erased.length > MEMBERS_MAX) break;
  }
  return Object.fromEntries(kept);
}

/** What was decided, cut down to what is kept of it. */
export function recordedResult(grant: Grant, fault: string | undefined): RecordedResult {
  const { allow, reason, selectors, obligations } = grant;
  const series: unknown[] = [];
  let chars = 0;
  for (const selector of selectors.slice(0, SELECTORS_KEPT_MAX)) {
    chars += sizeOf(selector);
    if (chars > SELECTORS_CHARS_MAX) break;
    series.push(wellFormedDeep(selector));
  }
  return {
    ...{ allow, reason: clipped(reason, REASON_CHARS_MAX), series },
    series_count: selectors.length,
    obligations: keepSmall({ ...obligations }, 'obligations', MEMBERS_MAX, []),
    ...(fault === undefined ? {} : { fault: clipped(fault, REASON_CHARS_MAX) }),
  };
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'object' ? JSON.stringify(value).length : 20;
}

/** Without NUL and halves of surrogate pairs, which jsonb refuses. */
function wellFormed(text: string): string {
  // Nearly every text passes the first test, which takes a tenth of the time.
  if (!/[\0\ud800-\udfff]/.test(text)) return text;
  return text.replace(/[\0\p{Surrogate}]/gu, '\uFFFD');
}

/** The beginning of a text. */
function clipped(text: string, charsMax: number): string {
  return wellFormed(text.length <= charsMax ? text : text.slice(0, charsMax));
}

function wellFormedDeep(value: unknown): unknown {
  if (typeof value === 'string') return wellFormed(value);
  if (Array.isArray(value)) return value.map(wellFormedDeep);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value);
  return Object.fromEntries(members.map(([name, one]) => [wellFormed(name), wellFormedDeep(one)]));
}
