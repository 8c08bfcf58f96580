// String literals of selectors, as PromQL (that is, Go) has them: "…" and '…' with escapes, `…` without.

/** A literal's value and where it ends, or what is wrong with it and where. */
export type ScannedString =
  | { readonly value: string; readonly end: number }
  | { readonly fault: string; readonly at: number };

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
};
const BYTE_ESCAPE = /x([0-9a-fA-F]{2})|([0-3][0-7]{2})/y;
const RUNE_ESCAPE = /u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y;

/**
 * Reads the literal that starts at `at`; undefined where none starts. `\x` and octal escapes are bytes of UTF-8, `\u`
 * and `\U` are characters, and a quote is escaped only in a literal of its own kind.
 */
export function scanString(text: string, at: number): ScannedString | undefined {
  const quote = text[at];
  if (quote !== '"' && quote !== "'" && quote !== '`') return undefined;
  if (quote === '`') {
    const end = text.indexOf('`', at + 1);
    if (end < 0) return { fault: 'the string is not closed', at };
    return { value: text.slice(at + 1, end), end: end + 1 };
  }
  const end = closingQuote(text, at, quote);
  if (end === undefined) return { fault: 'the string is not closed', at };
  const inside = text.slice(at + 1, end);
  if (!inside.includes('\\')) return { value: inside, end: end + 1 };
  const unescaped = decodeEscapes(inside, quote);
  if ('fault' in unescaped) return { fault: unescaped.fault, at: at + 1 + unescaped.at };
  return { value: unescaped.value, end: end + 1 };
}

/** A line break ends nothing: such a literal is not closed. */
function closingQuote(text: string, at: number, quote: string): number | undefined {
  for (let index = at + 1; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\n') return undefined;
    if (character === quote) return index;
    if (character === '\\') index += 1;
  }
  return undefined;
}

function decodeEscapes(
  inside: string,
  quote: string,
): { readonly value: string } | { readonly fault: string; readonly at: number } {
  // Bytes, because two \x escapes may be the halves of one character.
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  let from = 0;
  for (;;) {
    const at = inside.indexOf('\\', from);
    parts.push(encoder.encode(inside.slice(from, at < 0 ? inside.length : at)));
    if (at < 0) break;
    const escaped = readEscape(inside, at + 1, quote);
    if (escaped === undefined) return { fault: `${inside.slice(at, at + 2)} is no escape`, at };
    parts.push(escaped.bytes);
    from = escaped.end;
  }
  try {
    return {
      value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(concat(parts)),
    };
  } catch {
    return { fault: 'the escapes do not make UTF-8', at: 0 };
  }
}

/** Reads what follows a backslash. */
function readEscape(
  text: string,
  at: number,
  quote: string,
): { readonly bytes: Uint8Array; readonly end: number } | undefined {
  const character = text[at] ?? '';
  const simple = character === quote ? quote.charCodeAt(0) : SIMPLE_ESCAPES[character];
  if (simple !== undefined) return { bytes: Uint8Array.of(simple), end: at + 1 };

  BYTE_ESCAPE.lastIndex = at;
  const byte = BYTE_ESCAPE.exec(text);
  if (byte !== null) {
    const value =
      byte[1] === undefined ? Number.parseInt(byte[0], 8) : Number.parseInt(byte[1], 16);
    return { bytes: Uint8Array.of(value), end: BYTE_ESCAPE.lastIndex };
  }

  RUNE_ESCAPE.lastIndex = at;
  const rune = RUNE_ESCAPE.exec(text);
  if (rune === null) return undefined;
  const value = Number.parseInt(rune[1] ?? rune[2] ?? '', 16);
  const surrogate = value >= 0xd800 && value <= 0xdfff;
  if (surrogate || value > 0x10ffff) return undefined;
  return {
    bytes: new TextEncoder().encode(String.fromCodePoint(value)),
    end: RUNE_ESCAPE.lastIndex,
  };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
