// What is known of one client's connection, and the work that it can give the session.
import type { Socket } from 'node:net';
import type { Log } from '../../lib/log.ts';
import type { Backend } from './backend.ts';
import type { CopyIn } from './copy-in.ts';
import type { PreparedStatements, Translated } from './prepared.ts';
import type { Session, SessionClient } from './session.ts';
import type { Settings, SettingsSwitch } from './settings.ts';
import type { Statement } from './statement.ts';
import type { Frame, FrameReader, TransactionState } from './wire.ts';

/** What the connections of one endpoint have in common. */
export interface Endpoint {
  readonly backend: Backend;
  readonly session: Session;
  readonly settings: SettingsSwitch;
  readonly log: Log;
  /** The messages between a startup packet and the first query. */
  greeting(connection: Connection): Buffer;
  /** Cancels what the connection with this id has queued, if the secret is its own. */
  cancel(processId: number, secret: number): void;
  closed(connection: Connection): void;
}

export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** What a connection runs while it holds the session, without a turn of the event loop in between. */
export type Unit =
  | { readonly kind: 'query'; readonly text: string; readonly statement: Statement }
  | { readonly kind: 'call'; readonly message: Frame }
  | {
      readonly kind: 'extended';
      readonly messages: readonly Translated[];
      readonly then?: CopyStart;
    }
  | { readonly kind: 'copy'; readonly copy: CopyIn }
  /** Fails in the engine; `thenReady` says whether the client has sent its Sync already. */
  | { readonly kind: 'fail'; readonly fault: Fault; readonly thenReady: boolean }
  | { readonly kind: 'clean-up' };

/** A COPY FROM STDIN whose portal is bound: begins when the messages before it have gone well. */
export interface CopyStart {
  readonly copy: CopyIn;
  readonly response: Buffer;
}

export type Phase =
  | { readonly name: 'opening' }
  | { readonly name: 'serving' }
  | { readonly name: 'copying'; readonly copy: CopyIn }
  /** After an error: everything up to the next Sync is passed over. */
  | { readonly name: 'skipping' }
  | { readonly name: 'closed' };

export interface Connection extends SessionClient {
  readonly id: number;
  readonly secret: number;
  readonly endpoint: Endpoint;
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly statements: PreparedStatements;
  settings: Settings;
  phase: Phase;
  /** Messages of an extended query that wait for their Sync or Flush. */
  round: Translated[];
  roundBytes: number;
  /** What is ready to run. Nothing more is read from the client's bytes until it has. */
  unit: Unit | undefined;
  transaction: TransactionState;
  /** The engine has messages of an extended query whose Sync is still to come. */
  midway: boolean;
  /** Settings may have changed since the transaction began. */
  settingsChanged: boolean;
}

/** Writes to the client, as long as there is one. */
export function send(connection: Connection, answer: Buffer): void {
  if (connection.phase.name !== 'closed' && answer.length > 0) connection.socket.write(answer);
}
