// Regular expressions of selectors: RE2, matching the whole value, bounded in what they may cost.
import { RE2JS } from 're2js';

export const REGEX_LENGTH_MAX = 1000;
/**
 * RE2 matches in time linear in the value, but also in the program. Measured: \pL{1000} (1,002 instructions) takes
 * 1.4 ms against 200 characters; ten of them 9 ms, for each series.
 */
const REGEX_PROGRAM_MAX = 1000;
export const REGEX_CACHE_MAX = 500;

export type RegexTest = (value: string) => boolean;
export type RegexFault = { readonly fault: string };

const LITERAL = /^[^\\.+*?()|[\]{}^$]*$/;
const LITERAL_ALTERNATIVES = /^[^\\.+*?()[\]{}^$]*$/;
const REPEAT = /\{(\d+)(?:,(\d*))?\}/g;

/**
 * A memo of a pure function, so it shows nowhere but in the time taken: a policy's decisions bring the same few
 * expressions thousands of times a second. The oldest goes first.
 */
const memo = new Map<string, RegexTest | RegexFault>();

/** How many expressions are kept compiled now; at most REGEX_CACHE_MAX. */
export function compiledRegexes(): number {
  return memo.size;
}

/** Compiles an expression that has to match the whole value (a dot also matches a line break), or says why not. */
export function compileRegex(source: string): RegexTest | RegexFault {
  const known = memo.get(source);
  if (known !== undefined) return known;
  const compiled = literalTest(source) ?? compileRe2(source);
  if (memo.size >= REGEX_CACHE_MAX) {
    const oldest = memo.keys().next();
    if (oldest.done !== true) memo.delete(oldest.value);
  }
  // A source too long to compile is not worth keeping either.
  if (source.length <= REGEX_LENGTH_MAX) memo.set(source, compiled);
  return compiled;
}

/** The forms that need no engine: `a|b|c`, `prefix.*` and `prefix.+`. They are most of what people write. */
function literalTest(source: string): RegexTest | undefined {
  if (source.length > REGEX_LENGTH_MAX) return undefined;
  if (LITERAL_ALTERNATIVES.test(source)) {
    const alternatives = new Set(source.split('|'));
    return (value) => alternatives.has(value);
  }
  const prefix = source.slice(0, -2);
  if (!LITERAL.test(prefix)) return undefined;
  if (source.endsWith('.*')) return (value) => value.startsWith(prefix);
  if (source.endsWith('.+')) {
    return (value) => value.length > prefix.length && value.startsWith(prefix);
  }
  return undefined;
}

/** True for an expression that needs no engine: asking it costs no more than remembering what it said. */
export function isLiteral(source: string): boolean {
  return (
    LITERAL_ALTERNATIVES.test(source) ||
    (/\.[*+]$/.test(source) && LITERAL.test(source.slice(0, -2)))
  );
}

function compileRe2(source: string): RegexTest | RegexFault {
  if (source.length > REGEX_LENGTH_MAX) {
    return { fault: `it is longer than ${REGEX_LENGTH_MAX} characters` };
  }
  const tooLarge = { fault: `it compiles to more than ${REGEX_PROGRAM_MAX} instructions` };
  // Seen before compiling, which would itself take 130 ms for [^a]{1000} ninety times over.
  if (repeats(source) > REGEX_PROGRAM_MAX) return tooLarge;
  try {
    const regex = RE2JS.compile(source, RE2JS.DOTALL);
    if (regex.programSize() > REGEX_PROGRAM_MAX) return tooLarge;
    return (value) => regex.testExact(value);
  } catch (thrown) {
    // RE2JS shows the expression with the flags that it was given put before it.
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { fault: message.replace('error parsing regexp: ', '').replace('`(?s)', '`') };
  }
}

function repeats(source: string): number {
  let sum = 0;
  for (const [, least, most] of source.matchAll(REPEAT)) {
    sum += Math.max(Number(least), Number(most ?? 0));
  }
  return sum;
}
