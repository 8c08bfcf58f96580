// Connections to the database, whichever it is: one reading of a URL for both drivers, and the pools. `pg` writes, copies
// and administers; `postgres` reads.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import postgres from 'postgres';
import { TailraceError } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';

/** The pools of one process. */
export interface Database extends Part {
  readonly url: string;
  /** Whether the embedded engine is behind it: one session that all connections share, no cancelling. */
  readonly embedded: boolean;
  /** Writes, COPY, administration. */
  readonly writer: pg.Pool;
  /** Reads; of the replica where there is one. */
  readonly reader: postgres.Sql;
}

export interface DatabaseOptions {
  readonly url: string;
  /** A replica for reads. */
  readonly readUrl?: string;
  readonly embedded: boolean;
  /** Connections that write readings at once, 1 unless given. */
  readonly writers?: number;
  readonly log: Log;
}

/** One server, in the words of both drivers. */
export interface DriverOptions {
  readonly pg: pg.ClientConfig;
  readonly postgres: postgres.Options<Record<string, never>>;
}

type Kind = 'embedded' | 'native';

// Beside the connections that write readings; one of them may hold this process's place among those that append to the
// feed. Embedded, connections take turns at one session: more of them only wait
// longer.
const WRITERS = { embedded: 4, native: 5 } as const;
const READERS = { embedded: 4, native: 10 } as const;
/** Embedded, a statement in hand (the compression of a chunk) keeps a new connection waiting too. */
const CONNECT_TIMEOUT_S = { embedded: 60, native: 10 } as const;
const IDLE_TIMEOUT_S = 60;
/** Silence after which a server is asked whether it lives. The system's own is two hours: so long would a COMMIT wait. */
const KEEPALIVE_MS = 10_000;
/**
 * The server's side of it: a backend whose client is gone without a word (power, NAT) would hold its keys and locks for
 * two hours, and whoever gets its rows next would wait for them. Nothing on Unix sockets. `?options=` in the URL takes the
 * place of it, for poolers that let no options through.
 */
const SERVER_KEEPALIVE =
  '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000';
/** How long stop() waits for statements in hand. */
const STOP_TIMEOUT_S = 5;
const APPLICATION_NAME = 'tailrace';

/**
 * Opens the pools. No connection is made yet; both drivers make a new one when one was lost.
 * @throws TailraceError `database_url_invalid`.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, embedded, log } = options;
  const kind = embedded ? 'embedded' : 'native';
  const writersMax = WRITERS[kind] + (options.writers ?? 1);
  const writer = openWriter(driverOptions(url), kind, writersMax, log);
  const reader = openReader(driverOptions(options.readUrl ?? url), kind, log);
  let stopping: Promise<void> | undefined;
  return {
    name: 'database connections',
    url,
    embedded,
    writer,
    reader,
    stop() {
      stopping ??= Promise.all([writer.end(), reader.end({ timeout: STOP_TIMEOUT_S })]).then(
        () => undefined,
      );
      return stopping;
    },
  };
}

function openWriter(options: DriverOptions, kind: Kind, max: number, log: Log): pg.Pool {
  const pool = new pg.Pool({
    ...(kind === 'native' ? { options: SERVER_KEEPALIVE } : {}),
    ...options.pg,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_S[kind] * 1000,
    idleTimeoutMillis: IDLE_TIMEOUT_S * 1000,
  });
  // Its message only: the driver hangs the whole client on its errors.
  const lost = (err: Error) => log.warn({ reason: err.message }, 'a database connection was lost');
  // Without a listener either event would end the process: the pool speaks for idle clients, a client for itself while
  // it is lent out between two statements.
  pool.on('error', lost);
  pool.on('connect', (client) => client.on('error', lost));
  return pool;
}

function openReader(options: DriverOptions, kind: Kind, log: Log): postgres.Sql {
  return postgres({
    ...options.postgres,
    max: READERS[kind],
    connect_timeout: CONNECT_TIMEOUT_S[kind],
    prepare: true,
    fetch_types: false,
    onnotice: (notice) => log.debug({ notice: notice.message }, 'the database remarks'),
  });
}

/**
 * Reads a postgres:// URL: user, password, host, port and database, or `?host=` with a socket's directory; sslmode,
 * sslrootcert, sslcert, sslkey, application_name and options as libpq names them.
 * @throws TailraceError `database_url_invalid`.
 */
export function driverOptions(url: string): DriverOptions {
  const parsed = parseUrl(url);
  const query = parsed.searchParams;
  const host = query.get('host') ?? (decodeURIComponent(parsed.hostname) || 'localhost');
  const port = Number(query.get('port') ?? (parsed.port || 5432));
  const user = query.get('user') ?? (decodeURIComponent(parsed.username) || 'postgres');
  const password = query.get('password') ?? (decodeURIComponent(parsed.password) || undefined);
  const database =
    query.get('dbname') ?? (decodeURIComponent(parsed.pathname.replace(/^\/+/, '')) || user);
  const application = query.get('application_name') ?? APPLICATION_NAME;
  const options = query.get('options');
  const ssl = sslOptions(query, host);
  return {
    pg: {
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port,
      user,
      database,
      ...(password === undefined ? {} : { password }),
      ssl,
      application_name: application,
      ...(options === null ? {} : { options }),
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
    },
    postgres: {
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port,
      username: user,
      database,
      ...(password === undefined ? {} : { password }),
      ssl,
      connection: { application_name: application },
    },
  };
}

function parseUrl(url: string): URL {
  // WHATWG's URL refuses `user@/database`, which libpq takes for a socket.
  const written = URL.canParse(url) ? url : url.replace('@/', '@localhost/');
  const protocols = ['postgres:', 'postgresql:'];
  if (!URL.canParse(written) || !protocols.includes(new URL(written).protocol)) {
    throw new TailraceError(
      'database_url_invalid',
      'The database URL has to look like postgres://user:password@host:5432/database.',
    );
  }
  return new URL(written);
}

/** libpq's sslmode. `allow` and `prefer` mean no TLS here: neither driver tries twice. */
function sslOptions(query: URLSearchParams, host: string): ConnectionOptions | false {
  const mode = query.get('sslmode') ?? 'disable';
  if (['disable', 'allow', 'prefer'].includes(mode) || host.startsWith('/')) return false;
  const ca = query.get('sslrootcert');
  const cert = query.get('sslcert');
  const key = query.get('sslkey');
  const files = {
    ...(ca === null ? {} : { ca: readFileSync(ca, 'utf8') }),
    ...(cert === null ? {} : { cert: readFileSync(cert, 'utf8') }),
    ...(key === null ? {} : { key: readFileSync(key, 'utf8') }),
  };
  switch (mode) {
    case 'require':
    case 'no-verify':
      return { ...files, rejectUnauthorized: ca !== null };
    case 'verify-ca':
      return { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined };
    case 'verify-full':
      return { ...files, rejectUnauthorized: true };
    default:
      throw new TailraceError(
        'database_url_invalid',
        `The database URL's sslmode is ${mode}; it can be disable, require, verify-ca or verify-full.`,
      );
  }
}
