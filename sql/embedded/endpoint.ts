// The endpoint: listens on a socket, tells its connections apart, and stops with them.
//
// What is not as on a server, as the engine has one session for all connections: a transaction has the database to itself
// until it ends; temporary tables, session advisory locks, LISTEN and SET ROLE are not a connection's own; a statement that
// runs cannot be cancelled; user and database names are taken as they come, and no password is asked for.
import { randomInt } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '../../lib/log.ts';
import type { Backend } from './backend.ts';
import { cancelQueued, openConnection, terminate } from './connection.ts';
import type { Connection, Endpoint } from './connection-state.ts';
import { CONNECTIONS_MAX } from './engine-messages.ts';
import { createSession, type Session, type SessionClient } from './session.ts';
import { createSettingsSwitch, type SettingsSwitch } from './settings.ts';
import { errorResponse, frame, int32, readyForQuery } from './wire.ts';

export interface RunningEndpoint {
  readonly session: Session;
  readonly settings: SettingsSwitch;
  /** How many clients there are. */
  readonly connections: number;
  /** Serves on a path, or on a port of the loopback interface (0: any); answers the port. */
  listen(at: { path: string } | { port: number }): Promise<number | undefined>;
  /** Ends all connections with 57P01 and stops listening. */
  stop(): Promise<void>;
}

/** Nobody may sit in a transaction for longer while others wait: they all share the one session. */
const IDLE_HOLD_MAX_MS = 30_000;
const WATCH_INTERVAL_MS = 1_000;
const STOP_PATIENCE_MS = 2_000;

/** Parameters that the server reports at the start of a connection. */
const REPORTED = [
  'server_version',
  'server_encoding',
  'client_encoding',
  'application_name',
  'is_superuser',
  'session_authorization',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'integer_datetimes',
  'standard_conforming_strings',
  'default_transaction_read_only',
  'in_hot_standby',
] as const;

/** Serves a backend to several clients. */
export function createEndpoint(backend: Backend, log: Log): RunningEndpoint {
  const connections = new Map<number, Connection>();
  const servers: Server[] = [];
  /** Refused ones too, until they are closed. */
  const sockets = new Set<Socket>();
  const session = createSession(() => performance.now());
  const settings = createSettingsSwitch(backend, log);
  const reported = readReported(backend);
  let lastId = 0;

  const endpoint: Endpoint = {
    backend,
    session,
    settings,
    log,
    greeting: (connection) => greeting(connection, reported),
    cancel(processId, secret) {
      const connection = connections.get(processId);
      if (connection?.secret === secret) cancelQueued(connection);
    },
    closed: (connection) => connections.delete(connection.id),
  };

  function accept(socket: Socket): void {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (connections.size >= CONNECTIONS_MAX) {
      socket.on('error', () => undefined);
      // Read to its end, without which it would never close.
      socket.resume();
      socket.end(
        errorResponse({
          severity: 'FATAL',
          code: '53300',
          message: `the embedded database takes ${CONNECTIONS_MAX} connections`,
        }),
      );
      return;
    }
    lastId = (lastId % 0x7fffffff) + 1;
    const secret = randomInt(1, 0x7fffffff);
    connections.set(lastId, openConnection(endpoint, socket, lastId, secret));
  }

  const watch = setInterval(() => endIdleHolder(session, connections), WATCH_INTERVAL_MS);
  watch.unref();

  return {
    session,
    settings,
    get connections() {
      return connections.size;
    },
    async listen(at) {
      const server = createServer(accept);
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen('path' in at ? at : { ...at, host: '127.0.0.1' }, resolve);
      });
      const address = server.address();
      return typeof address === 'object' ? address?.port : undefined;
    },
    async stop() {
      clearInterval(watch);
      session.close();
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const connection of connections.values()) {
        terminate(connection, {
          code: '57P01',
          message: 'terminating connection due to administrator command',
        });
      }
      // A client that does not read what it is told is not waited for.
      const impatient = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, STOP_PATIENCE_MS);
      await Promise.all(closed);
      clearTimeout(impatient);
    },
  };
}

function readReported(backend: Backend): Map<string, string> {
  const columns = REPORTED.map((name) => `current_setting('${name}')`).join(', ');
  const values = backend.query(`select ${columns}`)[0] ?? [];
  return new Map(REPORTED.map((name, i) => [name, values[i] ?? '']));
}

function greeting(connection: Connection, reported: ReadonlyMap<string, string>): Buffer {
  const wanted = connection.settings.values;
  return Buffer.concat([
    frame('R', int32(0)),
    ...[...reported].map(([name, value]) => frame('S', name, wanted.get(name) ?? value)),
    frame('K', int32(connection.id), int32(connection.secret)),
    readyForQuery('I'),
  ]);
}

function endIdleHolder(session: Session, connections: ReadonlyMap<number, Connection>): void {
  const idle = session.idleHolder(performance.now());
  if (idle === undefined || idle.idleMs < IDLE_HOLD_MAX_MS) return;
  const holder = [...connections.values()].find((connection) => isClient(connection, idle.client));
  if (holder === undefined) return;
  terminate(holder, {
    code: '25P03',
    message: `terminating connection: it sat idle in a transaction for ${IDLE_HOLD_MAX_MS / 1000} s while others waited for the embedded database's one session`,
  });
}

function isClient(connection: Connection, client: SessionClient): boolean {
  return connection === client;
}
