// The prepared statements of one connection. All connections share one session, so each name is given one of its own in
// the engine; and the unnamed statement, of which the engine has only one, is prepared again when it is used in another
// round than the one that prepared it.
import { COPY_DEVICE } from './backend.ts';
import { readStatement, type Statement } from './statement.ts';
import { bindParts, type Frame, frame, parseParts, targetParts } from './wire.ts';

type CopyIn = Extract<Statement, { kind: 'copy-in' }>;

interface Prepared {
  readonly engineName: string;
  readonly copy: CopyIn | undefined;
}

export interface PreparedStatements {
  /** The frame as the engine is to see it, and a Parse that has to be run silently before it, if one has. */
  translate(message: Frame): { message: Frame; before?: Frame };
  /** The COPY FROM STDIN that a portal was bound to. */
  copyOf(portal: string): CopyIn | undefined;
  /** The engine's name of a statement. */
  engineName(name: string): string | undefined;
  /** Says that the messages of a round (up to its Sync or Flush) are over. */
  endRound(): void;
  /** Drops one from the account. */
  forget(name: string): void;
  /** Closes that drop every named statement; the account is empty then. */
  closeAll(): Frame[];
  readonly size: number;
}

export const STATEMENTS_MAX = 10_000;

/** Thrown when a connection prepares more than STATEMENTS_MAX. */
export class TooManyStatements extends Error {
  readonly code = '53400';
}

export function createPreparedStatements(connectionId: number): PreparedStatements {
  const named = new Map<string, Prepared>();
  const portals = new Map<string, CopyIn>();
  let unnamed: { parse: Frame; copy: CopyIn | undefined } | undefined;
  let unnamedIsFresh = false;
  let counter = 0;

  function translateParse(message: Frame): Frame {
    const { name, text, rest } = parseParts(message);
    const statement = readStatement(text, COPY_DEVICE);
    const copy = statement.kind === 'copy-in' ? statement : undefined;
    const engineText = copy?.rewritten ?? text;
    if (name === '') {
      unnamedIsFresh = true;
      unnamed = { parse: copy === undefined ? message : frame('P', '', engineText, rest), copy };
      return unnamed.parse;
    }
    let prepared = named.get(name);
    if (prepared === undefined) {
      if (named.size >= STATEMENTS_MAX) {
        throw new TooManyStatements(`a connection may prepare ${STATEMENTS_MAX} statements`);
      }
      prepared = { engineName: `c${connectionId}_${++counter}`, copy };
      named.set(name, prepared);
    }
    return frame('P', prepared.engineName, engineText, rest);
  }

  /** The unnamed statement's Parse, if the engine may have another's now. */
  function unnamedAgain(): { before?: Frame } {
    if (unnamed === undefined || unnamedIsFresh) return {};
    unnamedIsFresh = true;
    return { before: unnamed.parse };
  }

  function translateBind(message: Frame): { message: Frame; before?: Frame } {
    const { portal, statement, rest } = bindParts(message);
    const prepared = statement === '' ? unnamed : named.get(statement);
    portals.delete(portal);
    // Portals of other statements need no account: they end with the transaction, in which the session is held.
    if (prepared?.copy !== undefined) portals.set(portal, prepared.copy);
    if (statement === '') return { message, ...unnamedAgain() };
    const engineName = named.get(statement)?.engineName ?? unknownName(connectionId, statement);
    return { message: frame('B', portal, engineName, rest) };
  }

  function translateTarget(message: Frame): { message: Frame; before?: Frame } {
    const { kind, name } = targetParts(message);
    const closes = message[0] === 0x43;
    if (kind !== 'S') return { message };
    if (name === '') {
      if (!closes) return { message, ...unnamedAgain() };
      unnamed = undefined;
      return { message };
    }
    const engineName = named.get(name)?.engineName ?? unknownName(connectionId, name);
    if (closes) named.delete(name);
    return { message: frame(closes ? 'C' : 'D', Buffer.from('S'), engineName) };
  }

  return {
    translate(message) {
      switch (message[0]) {
        case 0x50:
          return { message: translateParse(message) };
        case 0x42:
          return translateBind(message);
        case 0x43:
        case 0x44:
          return translateTarget(message);
        default:
          return { message };
      }
    },
    endRound() {
      unnamedIsFresh = false;
    },
    forget: (name) => named.delete(name),
    copyOf: (portal) => portals.get(portal),
    engineName: (name) => named.get(name)?.engineName,
    closeAll() {
      const closes = [...named.values()].map(({ engineName }) =>
        frame('C', Buffer.from('S'), engineName),
      );
      named.clear();
      portals.clear();
      return closes;
    },
    get size() {
      return named.size;
    },
  };
}

/** A name that the engine does not know either, and that reads well in its error. */
function unknownName(connectionId: number, name: string): string {
  return `${name} of connection ${connectionId}`;
}
