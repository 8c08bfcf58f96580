// Runs the units of a connection that holds the session, and keeps account of the state that each leaves.
import { type Connection, type Fault, send, type Unit } from './connection-state.ts';
import { failingQuery } from './copy-in.ts';
import { closeAll, type Translated } from './prepared.ts';
import { mayHaveSet, NO_SETTINGS } from './settings.ts';
import {
  endingState,
  type Frame,
  frame,
  messagesOf,
  PARSE_COMPLETE,
  readyForQuery,
  SYNC,
  typeOf,
} from './wire.ts';

/** Runs one unit to its end and sends the answer. */
export function runUnit(connection: Connection, unit: Unit): void {
  connection.settings = connection.endpoint.settings.adopt(connection.settings);
  switch (unit.kind) {
    case 'query':
      runQuery(connection, unit);
      break;
    case 'call':
      finish(connection, run(connection, unit.message), '');
      break;
    case 'extended':
      runExtended(connection, unit);
      break;
    case 'copy':
      runCopy(connection, unit);
      break;
    case 'fail':
      runFailure(connection, unit.fault, unit.thenReady);
      break;
    case 'clean-up':
      cleanUp(connection);
      break;
  }
}

function run(connection: Connection, message: Frame, copyData?: readonly Buffer[]): Buffer {
  return connection.endpoint.backend.run(message, copyData);
}

/** Sends an answer that ends with ReadyForQuery, and takes its state over. */
function finish(connection: Connection, answer: Buffer, text: string): void {
  connection.transaction = endingState(answer) ?? connection.transaction;
  connection.midway = false;
  connection.settingsChanged ||= mayHaveSet(text, answer);
  if (connection.settingsChanged && connection.transaction === 'I') {
    connection.settings = connection.endpoint.settings.readBack();
    connection.settingsChanged = false;
  }
  send(connection, answer);
}

function runQuery(connection: Connection, unit: Extract<Unit, { kind: 'query' }>): void {
  const { statement, text } = unit;
  const done = (tag: string) =>
    finish(connection, Buffer.concat([frame('C', tag), readyForQuery(connection.transaction)]), '');
  switch (statement.kind) {
    case 'copy-in':
      // Only in a failed transaction, where the engine refuses it.
      finish(connection, run(connection, frame('Q', statement.rewritten)), '');
      return;
    case 'mixed-copy-in':
      runFailure(
        connection,
        { code: '0A000', message: 'COPY FROM STDIN has to be the only statement of its query' },
        true,
      );
      return;
    case 'deallocate-all':
      closeStatements(connection);
      done('DEALLOCATE ALL');
      return;
    case 'discard-all':
      if (connection.transaction !== 'I') break;
      closeStatements(connection);
      connection.settings = connection.endpoint.settings.adopt(NO_SETTINGS);
      done('DISCARD ALL');
      return;
    case 'named':
    case 'plain':
  }
  finish(connection, run(connection, frame('Q', text)), text);
}

function closeStatements(connection: Connection): void {
  const closes = closeAll(connection.statements);
  if (closes.length > 0) run(connection, Buffer.concat([...closes, SYNC]));
}

function runExtended(connection: Connection, unit: Extract<Unit, { kind: 'extended' }>): void {
  const answer = Buffer.concat(answersTo(connection, unit.messages));
  const last = unit.messages.at(-1);
  if (unit.then === undefined && last !== undefined && typeOf(last.message) === 'S') {
    finish(connection, answer, '');
    return;
  }
  connection.midway = true;
  connection.settingsChanged ||= mayHaveSet('', answer);
  send(connection, answer);
  if (unit.then === undefined) return;
  if (hasError(answer)) {
    connection.phase = { name: 'skipping' };
    return;
  }
  connection.phase = { name: 'copying', copy: unit.then.copy };
  send(connection, unit.then.response);
}

/** Runs messages in as few calls of the engine as possible; a Parse that is silent takes one of its own. */
function answersTo(connection: Connection, messages: readonly Translated[]): Buffer[] {
  const answers: Buffer[] = [];
  let batch: Frame[] = [];
  const flush = () => {
    if (batch.length > 0) answers.push(run(connection, Buffer.concat(batch)));
    batch = [];
  };
  for (const { message, before } of messages) {
    if (before !== undefined) {
      flush();
      const answer = run(connection, before);
      if (!answer.equals(PARSE_COMPLETE)) answers.push(answer);
    }
    batch.push(message);
  }
  flush();
  return answers;
}

function hasError(answer: Buffer): boolean {
  for (const message of messagesOf(answer)) if (typeOf(message) === 'E') return true;
  return false;
}

function runCopy(connection: Connection, unit: Extract<Unit, { kind: 'copy' }>): void {
  const answer = run(connection, unit.copy.statement, unit.copy.chunks);
  if (unit.copy.origin === 'query') finish(connection, answer, '');
  else send(connection, answer);
}

function runFailure(connection: Connection, fault: Fault, thenReady: boolean): void {
  if (connection.midway && thenReady) run(connection, SYNC);
  const answer = run(connection, failingQuery(fault));
  connection.transaction = endingState(answer) ?? connection.transaction;
  connection.midway = false;
  if (thenReady) {
    send(connection, answer);
    return;
  }
  send(connection, answer.subarray(0, answer.length - readyForQuery('I').length));
  connection.phase = { name: 'skipping' };
}

/** What a lost client leaves: an open transaction and prepared statements. */
function cleanUp(connection: Connection): void {
  if (connection.midway) {
    connection.transaction = endingState(run(connection, SYNC)) ?? connection.transaction;
  }
  if (connection.transaction !== 'I') run(connection, frame('Q', 'rollback'));
  closeStatements(connection);
  connection.transaction = 'I';
  connection.midway = false;
}
