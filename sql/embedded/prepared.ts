// The prepared statements of one connection. All connections share one session, so each name is given one of its own in
// the engine; and the unnamed statement, of which the engine has only one, is prepared again when it is used in another
// round than the one that prepared it.
import { COPY_DEVICE } from './backend.ts';
import { type NameUse, readStatement, type Statement } from './statement.ts';
import { bindParts, type Frame, frame, parseParts, targetParts } from './wire.ts';

type CopyStatement = Extract<Statement, { kind: 'copy-in' }>;

interface Prepared {
  readonly engineName: string;
  readonly copy: CopyStatement | undefined;
}

/** The account of one connection. */
export interface PreparedStatements {
  readonly connectionId: number;
  readonly named: Map<string, Prepared>;
  /**
   * Portals that a COPY FROM STDIN was bound to. Others need no account: they end with the transaction, in which the
   * session is held.
   */
  readonly copyPortals: Map<string, CopyStatement>;
  unnamed: { readonly parse: Frame; readonly copy: CopyStatement | undefined } | undefined;
  /** The engine's unnamed statement is this connection's, as this round has prepared it. */
  unnamedIsFresh: boolean;
  counter: number;
}

/** A message for the engine, and one that has to be run silently before it. */
export interface Translated {
  readonly message: Frame;
  readonly before?: Frame;
}

const STATEMENTS_MAX = 10_000;

/** Thrown when a connection prepares more than STATEMENTS_MAX. */
class TooManyStatements extends Error {
  readonly code = '53400';
}

export function noStatements(connectionId: number): PreparedStatements {
  return {
    connectionId,
    named: new Map(),
    copyPortals: new Map(),
    unnamed: undefined,
    unnamedIsFresh: false,
    counter: 0,
  };
}

/**
 * A message of an extended query as the engine is to see it.
 * @throws TooManyStatements, ProtocolViolation.
 */
export function translate(account: PreparedStatements, message: Frame): Translated {
  switch (message[0]) {
    case 0x50:
      return { message: translateParse(account, message) };
    case 0x42:
      return translateBind(account, message);
    case 0x43:
    case 0x44:
      return translateTarget(account, message);
    default:
      return { message };
  }
}

/** Says that the messages of a round (up to its Sync or Flush) are over. */
export function endRound(account: PreparedStatements): void {
  account.unnamedIsFresh = false;
}

/** Closes that drop every named statement; the account is empty then. */
export function closeAll(account: PreparedStatements): Frame[] {
  const closes = [...account.named.values()].map(({ engineName }) =>
    frame('C', Buffer.from('S'), engineName),
  );
  account.named.clear();
  account.copyPortals.clear();
  return closes;
}

/** A text with the engine's names in the place of the connection's; keeps account of what it prepares and drops. */
export function rename(
  account: PreparedStatements,
  text: string,
  uses: readonly NameUse[],
): string {
  let renamed = '';
  let at = 0;
  for (const { verb, name, start, end } of uses) {
    const prepared = verb === 'prepare' ? prepare(account, name) : account.named.get(name);
    if (prepared === undefined) continue;
    if (verb === 'deallocate') account.named.delete(name);
    renamed += text.slice(at, start) + prepared.engineName;
    at = end;
  }
  return renamed + text.slice(at);
}

function prepare(account: PreparedStatements, name: string, copy?: CopyStatement): Prepared {
  const known = account.named.get(name);
  // The engine refuses to prepare a name twice, and keeps the first.
  if (known !== undefined) return known;
  if (account.named.size >= STATEMENTS_MAX) {
    throw new TooManyStatements(`a connection may prepare ${STATEMENTS_MAX} statements`);
  }
  account.counter++;
  const prepared = { engineName: `c${account.connectionId}_${account.counter}`, copy };
  account.named.set(name, prepared);
  return prepared;
}

function translateParse(account: PreparedStatements, message: Frame): Frame {
  const { name, text, rest } = parseParts(message);
  const statement = readStatement(text, COPY_DEVICE);
  const copy = statement.kind === 'copy-in' ? statement : undefined;
  const engineText = textFor(account, statement, text);
  if (name !== '') return frame('P', prepare(account, name, copy).engineName, engineText, rest);
  account.unnamedIsFresh = true;
  const parse = engineText === text ? message : frame('P', '', engineText, rest);
  account.unnamed = { parse, copy };
  return parse;
}

/**
 * A prepared DEALLOCATE ALL or DISCARD ALL would drop the statements of all connections: it drops none, and they end with
 * their connection. As a plain query both are carried out for the connection alone.
 */
function textFor(account: PreparedStatements, statement: Statement, text: string): string {
  switch (statement.kind) {
    case 'copy-in':
      return statement.rewritten;
    case 'named':
      return rename(account, text, statement.uses);
    case 'deallocate-all':
      return 'reset role';
    case 'discard-all':
      return 'reset all';
    default:
      return text;
  }
}

function translateBind(account: PreparedStatements, message: Frame): Translated {
  const { portal, statement, rest } = bindParts(message);
  const prepared = statement === '' ? account.unnamed : account.named.get(statement);
  account.copyPortals.delete(portal);
  if (prepared?.copy !== undefined) account.copyPortals.set(portal, prepared.copy);
  if (statement === '') return { message, ...unnamedAgain(account) };
  return { message: frame('B', portal, engineName(account, statement), rest) };
}

/** Describe and Close. */
function translateTarget(account: PreparedStatements, message: Frame): Translated {
  const { kind, name } = targetParts(message);
  const closes = message[0] === 0x43;
  if (kind !== 'S') return { message };
  if (name === '') {
    if (!closes) return { message, ...unnamedAgain(account) };
    account.unnamed = undefined;
    return { message };
  }
  const target = engineName(account, name);
  if (closes) account.named.delete(name);
  return { message: frame(closes ? 'C' : 'D', Buffer.from('S'), target) };
}

/** The unnamed statement's Parse, if the engine may have another's now. */
function unnamedAgain(account: PreparedStatements): { before?: Frame } {
  if (account.unnamed === undefined || account.unnamedIsFresh) return {};
  account.unnamedIsFresh = true;
  return { before: account.unnamed.parse };
}

/** Of a name that the connection does not know: one that the engine does not know either, and reads well in its error. */
function engineName(account: PreparedStatements, name: string): string {
  return account.named.get(name)?.engineName ?? `${name} of connection ${account.connectionId}`;
}
