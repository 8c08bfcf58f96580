// Checks what a policy answered. Anything that is not exactly a decision as the contract has it is a denial.
import type { Matcher, MatchOperator, Selector } from '../../lib/selector.ts';
import { compileSelector } from '../../lib/selector.ts';
import type { Obligations } from '../grant.ts';

/** A decision that was understood, or what is wrong with it. */
export type Verdict =
  | {
      readonly understood: true;
      readonly allow: boolean;
      readonly reason: string;
      readonly selectors: readonly Selector[];
      readonly obligations: Obligations;
    }
  | { readonly understood: false; readonly fault: string };

export const SELECTORS_MAX = 10_000;

const MEMBERS: ReadonlySet<string> = new Set(['allow', 'reason', 'series', 'obligations']);
const OPERATORS: ReadonlySet<unknown> = new Set<MatchOperator>(['=', '!=', '=~', '!~']);

/** How each obligation that this version enforces has to look. */
const OBLIGATIONS: Readonly<Record<keyof Obligations, (value: unknown) => boolean>> = {
  finest_step_ms: isPositiveInteger,
  lookback_ms: isAmount,
  delay_ms: isAmount,
  max_points: isPositiveInteger,
  max_series: isPositiveInteger,
  max_rate_hz: (value) => isAmount(value) && value > 0,
  redact: (value) => Array.isArray(value) && value.every((label) => typeof label === 'string'),
};

/** Reads the result set that OPA gives: one result, or none where the decision is undefined. */
export function readVerdict(resultSet: unknown): Verdict {
  if (!Array.isArray(resultSet) || resultSet.length !== 1)
    return fault('the decision is undefined');
  const decision: unknown = isRecord(resultSet[0]) ? resultSet[0].result : undefined;
  if (!isRecord(decision)) return fault('the decision is no object');
  const stranger = Object.keys(decision).find((member) => !MEMBERS.has(member));
  if (stranger !== undefined) return fault(`the decision has an unknown member ${stranger}`);
  const { allow, reason, series, obligations } = decision;
  if (typeof allow !== 'boolean') return fault('allow is neither true nor false');
  if (typeof reason !== 'string') return fault('reason is no text');
  if (!allow) return { understood: true, allow, reason, selectors: [], obligations: {} };
  const wrong = seriesFault(series) ?? obligationsFault(obligations);
  if (wrong !== undefined) return fault(wrong);
  return {
    understood: true,
    allow,
    reason,
    // Both were looked through just now.
    selectors: series as Selector[],
    obligations: obligations as Obligations,
  };
}

function seriesFault(series: unknown): string | undefined {
  if (!Array.isArray(series)) return 'series is no list of selectors';
  if (series.length > SELECTORS_MAX) return `series has more than ${SELECTORS_MAX} selectors`;
  for (const selector of series) {
    if (!Array.isArray(selector) || !selector.every(isMatcher)) {
      return 'series has a selector that is no list of {label, op, value}';
    }
    if (!compiles(selector)) return 'series has a regular expression that RE2 refuses';
  }
  return undefined;
}

function obligationsFault(obligations: unknown): string | undefined {
  if (!isRecord(obligations)) return 'obligations is no object';
  for (const name of Object.keys(obligations)) {
    if (!isObligation(name)) return `the obligation ${name} is unknown to this version`;
    if (!OBLIGATIONS[name](obligations[name])) return `the obligation ${name} has a wrong value`;
  }
  return undefined;
}

function isObligation(name: string): name is keyof Obligations {
  return Object.hasOwn(OBLIGATIONS, name);
}

function isMatcher(value: unknown): value is Matcher {
  if (!isRecord(value) || Object.keys(value).length !== 3) return false;
  const { label, op, value: wanted } = value;
  return typeof label === 'string' && OPERATORS.has(op) && typeof wanted === 'string';
}

/** Only regular expressions can fail to; compiled ones are remembered, so a grant's cost nothing later. */
function compiles(selector: Selector): boolean {
  const expressions = selector.filter(({ op }) => op === '=~' || op === '!~');
  if (expressions.length === 0) return true;
  try {
    compileSelector(expressions);
    return true;
  } catch {
    return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isPositiveInteger(value: unknown): boolean {
  return Number.isSafeInteger(value) && isAmount(value) && value > 0;
}

function fault(text: string): Verdict {
  return { understood: false, fault: text };
}
