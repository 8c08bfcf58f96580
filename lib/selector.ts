// Selectors: Prometheus' syntax, RE2 semantics, matched here and nowhere else (three engines would be three opinions).
// Text is read by parseSelector, written by formatSelector; compileSelector makes the predicate that decides.
import { TailraceError } from './errors.ts';
import { compileRegex, isLiteral } from './selector-regex.ts';
import { scanString } from './selector-string.ts';

export type MatchOperator = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  readonly label: string;
  readonly op: MatchOperator;
  readonly value: string;
}

/** All matchers have to hold. The empty selector holds for every series. */
export type Selector = readonly Matcher[];

/** What a selector can see of a series. `unit` is matched as a label of that name. */
export interface Selectable {
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit?: string | null;
}

export type SeriesPredicate = (series: Selectable) => boolean;

const SELECTOR_LENGTH_MAX = 4096;
const SELECTOR_MATCHERS_MAX = 32;
/** Values whose answer one predicate keeps; 100 bytes each, or so. */
const VALUES_REMEMBERED_MAX = 10_000;

const EXAMPLE = '{asset="rig-7",channel=~"mud/.+"}';
const BLANK = /(?:\s|#[^\n]*)*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const OPERATOR = /=~|!~|!=|=/y;

/** Where a parse has got to. */
interface Cursor {
  readonly text: string;
  at: number;
}

/**
 * Reads `{label="value",…}` with the operators = != =~ !~, strings in ", ' or `, comments and a trailing comma, as
 * PromQL has them; `{}` is every series. A label name that is no identifier stands in quotes, as in Prometheus 3.
 * Throws TailraceError `selector_invalid` with `position`, the character (from 1) where it went wrong.
 */
export function parseSelector(text: string): Selector {
  if (text.length > SELECTOR_LENGTH_MAX) {
    throw invalid(SELECTOR_LENGTH_MAX, `it is longer than ${SELECTOR_LENGTH_MAX} characters`);
  }
  const cursor: Cursor = { text, at: 0 };
  skipBlank(cursor);
  expectOpeningBrace(cursor);
  const matchers: Matcher[] = [];
  for (;;) {
    skipBlank(cursor);
    if (take(cursor, '}')) break;
    if (matchers.length === SELECTOR_MATCHERS_MAX) {
      throw invalid(cursor.at, `it has more than ${SELECTOR_MATCHERS_MAX} matchers`);
    }
    matchers.push(scanMatcher(cursor));
    skipBlank(cursor);
    if (take(cursor, '}')) break;
    if (!take(cursor, ',')) throw invalid(cursor.at, `expected , or } but found ${found(cursor)}`);
  }
  skipBlank(cursor);
  if (cursor.at < text.length) {
    throw invalid(cursor.at, `expected nothing after } but found ${found(cursor)}`);
  }
  return matchers;
}

/** Writes a selector so that parseSelector reads the same again (for well-formed Unicode text). */
export function formatSelector(selector: Selector): string {
  const matchers = selector.map(({ label, op, value }) => {
    const name = isLabelName(label) ? label : JSON.stringify(label);
    return `${name}${op}${JSON.stringify(value)}`;
  });
  return `{${matchers.join(',')}}`;
}

/**
 * Makes the predicate of a selector. A label that a series does not have counts as empty, so `{site=""}` finds series
 * without one and `{site!="x"}` finds them too; regular expressions match the whole value. `asset`, `channel` and `unit`
 * are the series' own, whatever its labels say. Throws TailraceError `selector_invalid` for a bad regular expression.
 */
export function compileSelector(selector: Selector): SeriesPredicate {
  const tests = selector.map(compileMatcher);
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (series) => tests.every((test) => test(series));
}

function compileMatcher({ label, op, value }: Matcher): SeriesPredicate {
  const read = labelReader(label);
  if (op === '=') return (series) => read(series) === value;
  if (op === '!=') return (series) => read(series) !== value;
  const test = compileRegexAt(value, undefined);
  const matches = isLiteral(value) ? test : remembering(test);
  if (op === '=~') return (series) => matches(read(series));
  return (series) => !matches(read(series));
}

/**
 * Asks once for each value. Many series share few values of a label: against 100,000 series of 1,000 channels an
 * expression of 1,000 instructions takes a hundredth of the time. Lives as long as its predicate, a request or so.
 */
function remembering(matches: (value: string) => boolean): (value: string) => boolean {
  const known = new Map<string, boolean>();
  return (value) => {
    let matched = known.get(value);
    if (matched === undefined) {
      matched = matches(value);
      if (known.size < VALUES_REMEMBERED_MAX) known.set(value, matched);
    }
    return matched;
  };
}

function labelReader(label: string): (series: Selectable) => string {
  if (label === 'asset') return (series) => series.asset;
  if (label === 'channel') return (series) => series.channel;
  if (label === 'unit') return (series) => series.unit ?? '';
  // hasOwn: a label called "constructor" is absent, not Object's.
  return ({ labels }) => (Object.hasOwn(labels, label) ? (labels[label] ?? '') : '');
}

function scanMatcher(cursor: Cursor): Matcher {
  const label = scanLabel(cursor);
  skipBlank(cursor);
  const op = match(cursor, OPERATOR);
  if (!isOperator(op)) {
    throw invalid(cursor.at, `expected =, !=, =~ or !~ but found ${found(cursor)}`);
  }
  skipBlank(cursor);
  const valueAt = cursor.at;
  const value = scanQuoted(cursor, 'a value in quotes');
  if (op === '=~' || op === '!~') compileRegexAt(value, valueAt);
  return { label, op, value };
}

function scanLabel(cursor: Cursor): string {
  const name = match(cursor, LABEL_NAME);
  if (name !== undefined) return name;
  const start = cursor.at;
  const quoted = scanQuoted(cursor, 'a label name');
  if (quoted === '') throw invalid(start, 'a label name is not empty');
  return quoted;
}

function scanQuoted(cursor: Cursor, wanted: string): string {
  const scanned = scanString(cursor.text, cursor.at);
  if (scanned === undefined) {
    throw invalid(cursor.at, `expected ${wanted} but found ${found(cursor)}`);
  }
  if ('fault' in scanned) throw invalid(scanned.at, scanned.fault);
  cursor.at = scanned.end;
  return scanned.value;
}

function expectOpeningBrace(cursor: Cursor): void {
  if (take(cursor, '{')) return;
  const name = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
  const bare = match({ ...cursor }, name);
  if (bare !== undefined) {
    const hint = `series have no metric name; write ${formatSelector([{ label: 'channel', op: '=', value: bare }])}`;
    throw invalid(cursor.at, `expected { but found ${bare} (${hint})`);
  }
  throw invalid(cursor.at, `expected { but found ${found(cursor)}`);
}

function compileRegexAt(source: string, at: number | undefined): (value: string) => boolean {
  const compiled = compileRegex(source);
  if (typeof compiled === 'function') return compiled;
  throw invalid(at, `the regular expression ${abridged(source)} is refused: ${compiled.fault}`);
}

function skipBlank(cursor: Cursor): void {
  match(cursor, BLANK);
}

function take(cursor: Cursor, character: string): boolean {
  if (cursor.text[cursor.at] !== character) return false;
  cursor.at += 1;
  return true;
}

/** Takes what a sticky expression matches at the cursor. */
function match(cursor: Cursor, expression: RegExp): string | undefined {
  expression.lastIndex = cursor.at;
  const matched = expression.exec(cursor.text)?.[0];
  cursor.at += matched?.length ?? 0;
  return matched;
}

function isOperator(text: string | undefined): text is MatchOperator {
  return text === '=' || text === '!=' || text === '=~' || text === '!~';
}

function isLabelName(text: string): boolean {
  LABEL_NAME.lastIndex = 0;
  return LABEL_NAME.exec(text)?.[0] === text;
}

function found(cursor: Cursor): string {
  const rest = cursor.text.slice(cursor.at);
  return rest === '' ? 'the end' : abridged(rest);
}

function abridged(text: string): string {
  return JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}…` : text);
}

/** `at` counts from 0, or is undefined where the selector did not come from text. */
function invalid(at: number | undefined, fault: string): TailraceError {
  const where = at === undefined ? '' : ` at character ${at + 1}`;
  const details = at === undefined ? {} : { position: at + 1 };
  return new TailraceError(
    'selector_invalid',
    `The selector is wrong${where}: ${fault}. A selector looks like ${EXAMPLE}.`,
    { details },
  );
}
