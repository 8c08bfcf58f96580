// What the endpoint has to know of a statement before the engine sees it. COPY FROM STDIN would end the engine (it reads
// the protocol's stream itself and finds its end), so it is rewritten to read a file. PREPARE, EXECUTE and DEALLOCATE name
// statements, DISCARD ALL drops them all: as connections share one session, they would reach into one another's.

export type Statement =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'copy-in';
      readonly format: 'text' | 'binary';
      /** 0 where the statement lists no columns. */
      readonly columns: number;
      /** The statement with a file in the place of STDIN. */
      readonly rewritten: string;
    }
  | { readonly kind: 'mixed-copy-in' }
  | { readonly kind: 'named'; readonly uses: readonly NameUse[] }
  | { readonly kind: 'deallocate-all' }
  | { readonly kind: 'discard-all' };

/** Where a text names a prepared statement. */
export interface NameUse {
  readonly verb: 'prepare' | 'execute' | 'deallocate';
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

interface Token {
  readonly kind: 'word' | 'identifier' | 'string' | 'symbol';
  /** Words in lower case, identifiers and strings without their quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const PLAIN: Statement = { kind: 'plain' };
const MENTIONS_SOMETHING = /\b(?:stdin|prepare|execute|deallocate|discard)\b/i;
/** A statement with more text than this is not looked into unless it begins like one of those. */
const BEGINS_LIKE_ONE =
  /^\s*(?:copy|prepare|explain|execute|deallocate|discard|--|\/\*|begin|set|;)/i;
const SCAN_CHARS_MAX = 1_000_000;

/** Sorts a query's text; `copyPath` is the file that takes the place of STDIN. */
export function readStatement(text: string, copyPath: string): Statement {
  if (!MENTIONS_SOMETHING.test(text)) return PLAIN;
  if (text.length > SCAN_CHARS_MAX && !BEGINS_LIKE_ONE.test(text)) return PLAIN;
  const statements = splitStatements(tokensOf(text));
  const copies = statements.filter((tokens) => stdinOf(tokens) !== undefined);
  if (copies.length > 0) {
    return statements.length === 1
      ? readCopy(text, copies[0]!, copyPath)
      : { kind: 'mixed-copy-in' };
  }
  if (statements.length === 1) {
    const command = readSessionCommand(statements[0]!);
    if (command !== undefined) return command;
  }
  const uses = statements.map(nameUse).filter((use) => use !== undefined);
  return uses.length > 0 ? { kind: 'named', uses } : PLAIN;
}

function readSessionCommand(tokens: readonly Token[]): Statement | undefined {
  const last = tokens.at(-1);
  if (!isWord(last, 'all')) return undefined;
  if (isWord(tokens[0], 'discard') && tokens.length === 2) return { kind: 'discard-all' };
  return isWord(tokens[0], 'deallocate') ? { kind: 'deallocate-all' } : undefined;
}

/** The prepared statement that a statement is about. CREATE TABLE AS EXECUTE is not looked into. */
function nameUse(tokens: readonly Token[]): NameUse | undefined {
  const verb = tokens[0]?.kind === 'word' ? tokens[0].text : '';
  let at = 1;
  if (verb === 'explain') at = tokens.findIndex((token) => isWord(token, 'execute')) + 1;
  if (verb === 'deallocate' && isWord(tokens[1], 'prepare')) at = 2;
  const target = tokens[at];
  if (at === 0 || (target?.kind !== 'word' && target?.kind !== 'identifier')) return undefined;
  const { text: name, start, end } = target;
  if (verb === 'prepare') return name === 'transaction' ? undefined : { verb, name, start, end };
  if (verb === 'explain' || verb === 'execute') return { verb: 'execute', name, start, end };
  return verb === 'deallocate' ? { verb, name, start, end } : undefined;
}

/** The token STDIN of a COPY … FROM STDIN. */
function stdinOf(tokens: readonly Token[]): Token | undefined {
  if (!isWord(tokens[0], 'copy')) return undefined;
  let depth = 0;
  for (let i = 1; i < tokens.length; i++) {
    const token = tokens[i]!;
    depth += depthChange(token);
    if (depth === 0 && isWord(token, 'from')) {
      return isWord(tokens[i + 1], 'stdin') ? tokens[i + 1] : undefined;
    }
  }
  return undefined;
}

function readCopy(text: string, tokens: readonly Token[], copyPath: string): Statement {
  const stdin = stdinOf(tokens)!;
  const before = tokens.filter((token) => token.start < stdin.start);
  const after = tokens.filter((token) => token.start > stdin.start);
  const rewritten = `${text.slice(0, stdin.start)}'${copyPath}'${text.slice(stdin.end)}`;
  const columns = countColumns(before);
  const format = isBinary(before, after) ? 'binary' : 'text';
  return { kind: 'copy-in', format, columns, rewritten };
}

function countColumns(before: readonly Token[]): number {
  const open = before.findIndex((token) => token.text === '(' && token.kind === 'symbol');
  if (open === -1) return 0;
  return (
    before.slice(open).filter((token) => token.text === ',' && token.kind === 'symbol').length + 1
  );
}

/** `(format binary)` or, as before PostgreSQL 9.0, the bare word BINARY. */
function isBinary(before: readonly Token[], after: readonly Token[]): boolean {
  if (isWord(before[1], 'binary') && before.length > 3) return true;
  let depth = 0;
  for (let i = 0; i < after.length; i++) {
    const token = after[i]!;
    depth += depthChange(token);
    if (isWord(token, 'where') && depth === 0) return false;
    if (isWord(token, 'binary') && depth === 0) return true;
    if (isWord(token, 'format') && depth === 1)
      return after[i + 1]?.text.toLowerCase() === 'binary';
  }
  return false;
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text === word;
}

function depthChange(token: Token): number {
  if (token.kind !== 'symbol') return 0;
  return token.text === '(' ? 1 : token.text === ')' ? -1 : 0;
}

function splitStatements(tokens: readonly Token[]): Token[][] {
  const statements: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'symbol' && token.text === ';') statements.push([]);
    else statements.at(-1)!.push(token);
  }
  return statements.filter((statement) => statement.length > 0);
}

// One alternative a lexical form (PostgreSQL 17, 4.1 "Lexical Structure"). An unterminated one matches to the end, and the
// engine finds the fault. Nested block comments are taken by hand below.
const LEXEMES =
  /(?<space>\s+|--[^\n\r]*)|(?<comment>\/\*)|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|[eE](?<escaped>'(?:[^'\\]|\\[\s\S]|'')*(?:'|$))|(?:[bBxXnN]|[uU]&)?(?<string>'(?:[^']|'')*(?:'|$))|(?:[uU]&)?(?<identifier>"(?:[^"]|"")*(?:"|$))|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<symbol>[\s\S])/gy;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const lexemes = new RegExp(LEXEMES);
  while (lexemes.lastIndex < text.length) {
    const start = lexemes.lastIndex;
    const groups = lexemes.exec(text)?.groups;
    if (groups === undefined) break;
    if (groups.space !== undefined) continue;
    if (groups.comment !== undefined) {
      lexemes.lastIndex = endOfComment(text, start);
      continue;
    }
    if (groups.dollar !== undefined) {
      const close = text.indexOf(groups.dollar, lexemes.lastIndex);
      lexemes.lastIndex = close === -1 ? text.length : close + groups.dollar.length;
      tokens.push({ kind: 'string', text: '', start, end: lexemes.lastIndex });
      continue;
    }
    tokens.push(tokenOf(groups, start, lexemes.lastIndex));
  }
  return tokens;
}

function tokenOf(groups: Record<string, string | undefined>, start: number, end: number): Token {
  const { escaped, string, identifier, word, symbol } = groups;
  const quoted = escaped ?? string;
  if (quoted !== undefined) {
    return { kind: 'string', text: quoted.slice(1, -1).replaceAll("''", "'"), start, end };
  }
  if (identifier !== undefined) {
    const name = identifier.slice(1, -1).replaceAll('""', '"');
    return { kind: 'identifier', text: name, start, end };
  }
  if (word !== undefined) return { kind: 'word', text: word.toLowerCase(), start, end };
  return { kind: 'symbol', text: symbol ?? '', start, end };
}

/** Block comments nest. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}
