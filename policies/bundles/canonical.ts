// JSON in the form that OPA hashes for a bundle's signature (v1/bundle/hash.go): members in the order of their names'
// UTF-8, no space, text as Go's encoder writes it, and numbers digit for digit as they stand, so 1.50 is not 1.5.

/** Deeper documents are refused: this walks recursively. */
const DEPTH_MAX = 500;

/**
 * Puts JSON into OPA's canonical form. Of members with the same name the last counts, as in Go.
 * @throws SyntaxError for what is no JSON, RangeError for what is nested too deeply.
 */
export function canonicalJson(text: string): string {
  JSON.parse(text); // So that the walk below need not check.
  const reader = { text, at: 0 };
  return readValue(reader, 0);
}

interface Reader {
  readonly text: string;
  at: number;
}

function readValue(reader: Reader, depth: number): string {
  if (depth > DEPTH_MAX) throw new RangeError(`nested deeper than ${DEPTH_MAX}`);
  switch (peek(reader)) {
    case '{':
      return readObject(reader, depth);
    case '[':
      return readArray(reader, depth);
    case '"':
      return readString(reader);
    default:
      return readLiteral(reader);
  }
}

function readObject(reader: Reader, depth: number): string {
  const members = new Map<string, string>();
  reader.at += 1;
  while (peek(reader) !== '}') {
    if (peek(reader) === ',') reader.at += 1;
    peek(reader);
    const name = readString(reader);
    peek(reader);
    reader.at += 1; // The colon.
    members.set(name, readValue(reader, depth + 1));
  }
  reader.at += 1;
  const names = [...members.keys()].map((name) => [name, unquoted(name)] as const);
  names.sort(([, a], [, b]) => byCodePoint(a, b));
  return `{${names.map(([name]) => `${name}:${members.get(name)}`).join(',')}}`;
}

function readArray(reader: Reader, depth: number): string {
  const items: string[] = [];
  reader.at += 1;
  while (peek(reader) !== ']') {
    if (peek(reader) === ',') reader.at += 1;
    items.push(readValue(reader, depth + 1));
  }
  reader.at += 1;
  return `[${items.join(',')}]`;
}

function readString(reader: Reader): string {
  const { text } = reader;
  const start = reader.at;
  let end = text.indexOf('"', start + 1);
  for (; isEscaped(text, end); end = text.indexOf('"', end + 1));
  reader.at = end + 1;
  const token = text.slice(start, end + 1);
  return /[\\\u2028\u2029\ud800-\udfff]/.test(token) ? reencoded(token) : token;
}

/** A quote is part of the text where an odd number of backslashes stands before it. */
function isEscaped(text: string, quote: number): boolean {
  let before = quote - 1;
  while (text[before] === '\\') before -= 1;
  return (quote - before) % 2 === 0;
}

/** Go replaces half a surrogate pair by U+FFFD when it reads, and escapes two line separators when it writes. */
function reencoded(token: string): string {
  return JSON.stringify(Buffer.from(unquoted(token)).toString())
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

function readLiteral(reader: Reader): string {
  const start = reader.at;
  while (reader.at < reader.text.length && !',]} \t\r\n'.includes(reader.text[reader.at] ?? '')) {
    reader.at += 1;
  }
  return reader.text.slice(start, reader.at);
}

/** The next character that is no white space. */
function peek(reader: Reader): string | undefined {
  while (' \t\r\n'.includes(reader.text[reader.at] ?? '-')) reader.at += 1;
  return reader.text[reader.at];
}

function unquoted(token: string): string {
  return JSON.parse(token) as string;
}

/** The order of UTF-8, where JavaScript's own is that of UTF-16: surrogates come last, not before U+E000. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
