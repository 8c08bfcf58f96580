// One client's connection: its bytes become units of work, and the session has them run (units.ts) one after another.
// Frames are cut in wire.ts, statements read in statement.ts, names kept in prepared.ts.
import type { Socket } from 'node:net';
import { COPY_DEVICE } from './backend.ts';
import {
  type Connection,
  type CopyStart,
  type Endpoint,
  type Fault,
  send,
  type Unit,
} from './connection-state.ts';
import { addCopyData, type CopyIn, copyFault, createCopyIn } from './copy-in.ts';
import { endRound as endRoundOf, noStatements, rename, translate } from './prepared.ts';
import { NO_SETTINGS, settingsOfStartup } from './settings.ts';
import { readStatement } from './statement.ts';
import { runUnit } from './units.ts';
import {
  copyFailReason,
  copyInResponse,
  createFrameReader,
  errorResponse,
  executedPortal,
  type Frame,
  frame,
  type Opening,
  ProtocolViolation,
  queryText,
  readyForQuery,
  SYNC,
  typeOf,
} from './wire.ts';

/** The largest message, and the most that a round may hold: as much as one COPY. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
/** A client that sends ahead is not read further than this while its unit waits. */
const READ_AHEAD_BYTES_MAX = 256 * 1024;

/** Serves a client on a socket that was just accepted. */
export function openConnection(
  endpoint: Endpoint,
  socket: Socket,
  id: number,
  secret: number,
): Connection {
  const connection: Connection = {
    id,
    secret,
    endpoint,
    socket,
    reader: createFrameReader(MESSAGE_BYTES_MAX),
    statements: noStatements(id),
    settings: NO_SETTINGS,
    phase: { name: 'opening' },
    round: [],
    roundBytes: 0,
    unit: undefined,
    transaction: 'I',
    midway: false,
    settingsChanged: false,
    // A client that does not read its answers gets no further ones to read.
    hasWork: () => connection.unit !== undefined && !socket.writableNeedDrain,
    runNext: () => runNext(connection),
  };
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    connection.reader.push(chunk);
    advance(connection);
  });
  socket.on('drain', () => advance(connection));
  // An error is followed by close, which is where a client is known to be gone.
  socket.on('error', () => undefined);
  socket.on('close', () => lose(connection));
  return connection;
}

/** Ends a connection with a sentence. */
export function terminate(connection: Connection, fault: Fault): void {
  send(connection, errorResponse({ severity: 'FATAL', ...fault }));
  connection.socket.destroySoon();
}

/** Reads what has come, up to the next unit, and asks for the session. */
function advance(connection: Connection): void {
  try {
    while (connection.unit === undefined && takeNext(connection)) {
      // Each turn takes one message.
    }
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    const code = 'code' in thrown ? String(thrown.code) : 'XX000';
    if (!(thrown instanceof ProtocolViolation))
      connection.endpoint.log.error({ err: thrown }, 'a client failed');
    terminate(connection, { code, message: thrown.message });
    return;
  }
  if (connection.unit !== undefined) connection.endpoint.session.wake(connection);
  const ahead = connection.unit !== undefined && connection.reader.size > READ_AHEAD_BYTES_MAX;
  if (ahead) connection.socket.pause();
  else if (connection.socket.isPaused()) connection.socket.resume();
}

/** Takes one packet or message; false if none is complete or the connection is over. */
function takeNext(connection: Connection): boolean {
  if (connection.phase.name === 'closed' || connection.socket.writableEnded) return false;
  if (connection.phase.name === 'opening') {
    const opening = connection.reader.opening();
    if (opening !== undefined) open(connection, opening);
    return opening !== undefined;
  }
  const message = connection.reader.message();
  if (message === undefined) return false;
  switch (connection.phase.name) {
    case 'copying':
      takeWhileCopying(connection, connection.phase.copy, message);
      break;
    case 'skipping':
      takeWhileSkipping(connection, message);
      break;
    case 'serving':
      takeWhileServing(connection, message);
      break;
  }
  return true;
}

function open(connection: Connection, opening: Opening): void {
  switch (opening.kind) {
    case 'ssl':
    case 'gss':
      connection.socket.write('N');
      return;
    case 'cancel':
      connection.endpoint.cancel(opening.processId, opening.secret);
      connection.socket.destroySoon();
      return;
    case 'startup':
      connection.settings = settingsOfStartup(opening.parameters);
      connection.phase = { name: 'serving' };
      send(connection, connection.endpoint.greeting(connection));
  }
}

function takeWhileServing(connection: Connection, message: Frame): void {
  switch (typeOf(message)) {
    case 'Q':
      takeQuery(connection, queryText(message));
      return;
    case 'F':
      connection.unit = { kind: 'call', message };
      return;
    case 'P':
    case 'B':
    case 'C':
    case 'D':
      addToRound(connection, message);
      return;
    case 'E':
      takeExecute(connection, message);
      return;
    case 'H':
    case 'S':
      addToRound(connection, message);
      endRound(connection);
      return;
    case 'X':
      connection.socket.destroySoon();
      return;
    case 'p':
      throw new ProtocolViolation('no password was asked for');
    default:
    // d, c, f: what a client had sent before it saw that its COPY failed.
  }
}

function takeQuery(connection: Connection, text: string): void {
  const statement = readStatement(text, COPY_DEVICE);
  // Data can be collected without the session; in a failed transaction the engine is to refuse the statement first.
  if (statement.kind === 'copy-in' && connection.transaction !== 'E') {
    const copy = createCopyIn('query', frame('Q', statement.rewritten));
    connection.phase = { name: 'copying', copy };
    send(connection, copyInResponse(statement.format, statement.columns));
    return;
  }
  connection.unit =
    statement.kind === 'named'
      ? { kind: 'query', text: rename(connection.statements, text, statement.uses), statement }
      : { kind: 'query', text, statement };
}

function takeExecute(connection: Connection, message: Frame): void {
  const statement = connection.statements.copyPortals.get(executedPortal(message));
  if (statement === undefined) {
    addToRound(connection, message);
    return;
  }
  const copy = createCopyIn('extended', message);
  const response = copyInResponse(statement.format, statement.columns);
  endRound(connection, { copy, response });
}

function addToRound(connection: Connection, message: Frame): void {
  connection.roundBytes += message.length;
  if (connection.roundBytes > MESSAGE_BYTES_MAX) {
    throw new ProtocolViolation(`more than ${MESSAGE_BYTES_MAX} bytes without a Sync`);
  }
  connection.round.push(translate(connection.statements, message));
}

function endRound(connection: Connection, then?: CopyStart): void {
  const messages = connection.round;
  connection.unit =
    then === undefined ? { kind: 'extended', messages } : { kind: 'extended', messages, then };
  connection.round = [];
  connection.roundBytes = 0;
  endRoundOf(connection.statements);
}

function takeWhileCopying(connection: Connection, copy: CopyIn, message: Frame): void {
  switch (typeOf(message)) {
    case 'd':
      addCopyData(copy, message);
      return;
    case 'H':
    case 'S':
      // The protocol ignores these meanwhile: drivers send the Sync ahead and another one behind the data.
      return;
    case 'c': {
      const fault = copyFault(copy);
      if (fault !== undefined) {
        failCopy(connection, copy, fault);
        return;
      }
      connection.phase = { name: 'serving' };
      connection.unit = { kind: 'copy', copy };
      return;
    }
    case 'f':
      failCopy(connection, copy, {
        code: '57014',
        message: `COPY from stdin failed: ${copyFailReason(message)}`,
      });
      return;
    default:
      throw new ProtocolViolation(
        `unexpected message type ${typeOf(message)} during COPY from stdin`,
      );
  }
}

function failCopy(connection: Connection, copy: CopyIn, fault: Fault): void {
  connection.phase = { name: 'serving' };
  connection.unit = { kind: 'fail', fault, thenReady: copy.origin === 'query' };
}

function takeWhileSkipping(connection: Connection, message: Frame): void {
  if (typeOf(message) === 'X') connection.socket.destroySoon();
  if (typeOf(message) !== 'S') return;
  connection.phase = { name: 'serving' };
  connection.unit = { kind: 'extended', messages: [{ message: SYNC }] };
}

function runNext(connection: Connection): 'keeps' | 'releases' {
  const unit = connection.unit;
  if (unit === undefined) return isBusy(connection) ? 'keeps' : 'releases';
  connection.unit = undefined;
  runUnit(connection, unit);
  advance(connection);
  return isBusy(connection) ? 'keeps' : 'releases';
}

/** Whether the engine is amid something of this connection. */
function isBusy(connection: Connection): boolean {
  return connection.transaction !== 'I' || connection.midway;
}

const CANCELLED: Fault = {
  code: '57014',
  message: 'canceling statement due to user request',
};

/** Takes out of the queue what a client has queued there. What runs already cannot be stopped. */
export function cancelQueued(connection: Connection): void {
  const { session } = connection.endpoint;
  const { unit, phase } = connection;
  if (phase.name === 'copying') {
    failCopy(connection, phase.copy, CANCELLED);
    session.wake(connection);
    return;
  }
  if (unit === undefined || unit.kind === 'clean-up') return;
  if (session.isHolder(connection)) {
    connection.unit = { kind: 'fail', fault: CANCELLED, thenReady: endsInReady(unit) };
    return;
  }
  session.withdraw(connection);
  connection.unit = undefined;
  send(connection, errorResponse(CANCELLED));
  if (endsInReady(unit)) send(connection, readyForQuery('I'));
  else connection.phase = { name: 'skipping' };
  advance(connection);
}

function endsInReady(unit: Unit): boolean {
  if (unit.kind === 'copy') return unit.copy.origin === 'query';
  if (unit.kind !== 'extended') return true;
  const last = unit.messages.at(-1);
  return last !== undefined && typeOf(last.message) === 'S';
}

/** A client is gone: what it left in the engine is cleaned up as soon as the session is free. */
function lose(connection: Connection): void {
  if (connection.phase.name === 'closed') return;
  connection.phase = { name: 'closed' };
  const { session } = connection.endpoint;
  session.withdraw(connection);
  const leaves = isBusy(connection) || connection.statements.named.size > 0;
  connection.unit = leaves ? { kind: 'clean-up' } : undefined;
  if (leaves) session.wake(connection);
  connection.endpoint.closed(connection);
}
