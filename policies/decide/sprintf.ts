// Rego's sprintf as OPA has it in Go (package fmt). The SDK's own follows C and throws on %q.

/** What formats are read into: text as it is, and verbs. Width and precision come as digits only. */
const DIRECTIVE = /%([-+# 0]*)(\d*)(?:\.(\d*))?(.)/gsu;
/** Wider fields and finer precisions are refused: a rule has no use for them. */
const WIDTH_MAX = 1_000;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

/**
 * Formats values as `sprintf(format, values)` does in Rego. Sets come as lists, because JSON has none.
 * @throws Error for what this does not know, e.g. `%U` or `%[1]d`.
 */
export function sprintf(format: string, values: readonly unknown[]): string {
  let next = 0;
  const text = format.replace(DIRECTIVE, (_all, flags, width, precision, verb) => {
    if (verb === '%') return '%';
    const directive: Directive = {
      ...{ flags, verb, width: Number(width) },
      precision: precision === undefined ? undefined : Number(precision),
    };
    if (directive.width > WIDTH_MAX || (directive.precision ?? 0) > WIDTH_MAX) {
      throw new Error(`sprintf: a field wider than ${WIDTH_MAX}`);
    }
    if (next >= values.length) return `%!${verb}(MISSING)`;
    return pad(formatValue(directive, values[next++]), directive);
  });
  if (next >= values.length) return text;
  const extra = values.slice(next).map((value) => `${goType(value)}=${plain(value)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function formatValue(directive: Directive, value: unknown): string {
  const { verb } = directive;
  if (verb === 'v') return signed(directive, value, plain(value));
  const text =
    typeof value === 'number' ? numberText(directive, value) : textText(directive, value);
  if (text !== undefined) return text;
  if (!'sdqxXobefgEGtc'.includes(verb)) throw new Error(`sprintf: %${verb} is not known here`);
  return `%!${verb}(${goType(value)}=${plain(value)})`;
}

function numberText(directive: Directive, value: number): string | undefined {
  const { verb, precision } = directive;
  if (Number.isInteger(value)) {
    const base = { d: 10, x: 16, X: 16, o: 8, b: 2 }[verb];
    if (verb === 'c') return String.fromCodePoint(value);
    if (base === undefined) return undefined;
    const digits = BigInt(value).toString(base);
    return signed(directive, value, verb === 'X' ? digits.toUpperCase() : digits);
  }
  if (verb === 'f') return signed(directive, value, fixed(value, Math.min(precision ?? 6, 40)));
  if (verb === 'e') return signed(directive, value, exponent(value.toExponential(precision ?? 6)));
  if (verb === 'g' && precision === undefined) return signed(directive, value, plain(value));
  return undefined;
}

/** Everything that is no number is text to OPA's sprintf: `true`, `null`, `{"a": 1}`. */
function textText({ verb, precision }: Directive, value: unknown): string | undefined {
  const text = [...plain(value)].slice(0, precision).join('');
  switch (verb) {
    case 's':
      return text;
    case 'q':
      return quote(text);
    case 'x':
      return Buffer.from(text).toString('hex');
    case 'X':
      return Buffer.from(text).toString('hex').toUpperCase();
    default:
      return undefined;
  }
}

function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? plainNumber(value) : regoText(value);
}

/** Go's %v: whole numbers as they are, else the shortest digits, with an exponent below 1e-4 and from 1e6 on. */
function plainNumber(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e6 ? exponent(value.toExponential()) : String(value);
}

/** Go rounds a tie to the even digit, JavaScript away from zero. */
function fixed(value: number, digits: number): string {
  const rounded = value.toFixed(digits);
  const exact = value.toFixed(digits + 50);
  const cut = exact.slice(0, -50);
  const isTie = /^50*$/.test(exact.slice(-50)) && digits > 0;
  return isTie && '02468'.includes(cut.at(-1) ?? '') ? cut : rounded;
}

/** Go writes at least two digits of an exponent. */
function exponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function regoText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(regoText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, of]) => `${JSON.stringify(key)}: ${regoText(of)}`,
  );
  return `{${members.join(', ')}}`;
}

function signed({ flags }: Directive, value: unknown, text: string): string {
  return flags.includes('+') && typeof value === 'number' && value >= 0 ? `+${text}` : text;
}

function pad(text: string, { flags, width }: Directive): string {
  if (flags.includes('-')) return text.padEnd(width);
  if (!flags.includes('0')) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be escaped
  const escaped = text.replace(/["\\\u0000-\u001f\u007f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return ESCAPES[character] ?? `\\x${code}`;
  });
  return `"${escaped}"`;
}

function goType(value: unknown): string {
  if (typeof value !== 'number') return 'string';
  return Number.isInteger(value) ? 'int64' : 'float64';
}
