// Starts and stops the embedded database: takes the directory's lock, and starts the thread that serves it.
import { chmodSync, existsSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { makeDirectory } from '../../lib/directory.ts';
import { TailraceError } from '../../lib/errors.ts';
import type { Part } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { embeddedPaths } from './address.ts';
import {
  CONNECTIONS_MAX,
  type FromWorker,
  type ToWorker,
  type WorkerOptions,
} from './engine-messages.ts';
import { lockDirectory } from './lock.ts';

/** The engine has one database; clients may call it what they like. */
const DATABASE_NAME = 'tailrace';

export interface EmbeddedDatabase extends Part {
  /** For `pg`, `psql` and openDatabase(); stays the same over restarts. */
  readonly url: string;
  /** The port on the loopback interface, where one was asked for. */
  readonly tcpPort: number | undefined;
}

export interface EmbeddedDatabaseOptions {
  /** The process's DATA_DIR; the database gets subdirectories of it. */
  readonly dataDir: string;
  /** Serve on the loopback interface too; 0 takes any free port. */
  readonly tcpPort?: number;
  readonly log: Log;
  /** Gets tailrace_database_connections_* and tailrace_database_queue_*. */
  readonly metrics?: Metrics;
  /**
   * Default true: a commit is on the disk before it is answered, and survives a power cut. False is for tests: it still
   * survives kill -9, and costs no wait for the disk.
   */
  readonly syncs?: boolean;
  /**
   * Called when the engine ends without being asked to; its clients' connections are lost then. Without it the error is
   * thrown where nobody catches it, and ends the process.
   */
  readonly onExit?: (error: Error) => void;
}

/** The URL of a data directory's embedded database, as libpq, `pg` and connection.ts read it. */
export function embeddedUrl(dataDir: string): string {
  const host = encodeURIComponent(embeddedPaths(dataDir).socketDirectory);
  return `postgres:///${DATABASE_NAME}?host=${host}&user=postgres`;
}

/**
 * Opens the TimescaleDB under `dataDir`, or makes one, and serves it on a Unix socket there.
 * @throws TailraceError `database_in_use` naming the process that has it open; `database_failed` if it does not start.
 */
export async function startEmbeddedDatabase(
  options: EmbeddedDatabaseOptions,
): Promise<EmbeddedDatabase> {
  const paths = embeddedPaths(options.dataDir);
  makeDirectory(paths.lock, 0o700);
  if (paths.isElsewhere) makePrivate(paths.socketDirectory);
  const lock = await lockDirectory(paths.lock);
  try {
    return await startWorker(options, paths, () => lock.release());
  } catch (cause) {
    await lock.release();
    throw cause;
  }
}

async function startWorker(
  options: EmbeddedDatabaseOptions,
  paths: ReturnType<typeof embeddedPaths>,
  release: () => Promise<void>,
): Promise<EmbeddedDatabase> {
  const workerData: WorkerOptions = {
    databaseDirectory: paths.database,
    socket: paths.socket,
    tcpPort: options.tcpPort,
    syncs: options.syncs ?? true,
  };
  const worker = new Worker(builtFile('engine-worker'), { workerData, execArgv: [] });
  let stopping: Promise<void> | undefined;
  const ended = new Promise<Error>((resolve) => {
    worker.once('error', resolve);
    worker.once('exit', (code) => {
      resolve(new TailraceError('database_failed', `The embedded database ended (code ${code}).`));
    });
  });
  const tcpPort = await becomesReady(worker, ended, options).catch(async (cause) => {
    await worker.terminate();
    throw cause;
  });
  void ended.then(async (error) => {
    if (stopping !== undefined) return;
    await release();
    options.log.fatal({ err: error }, 'the embedded database has ended');
    if (options.onExit === undefined) throw error;
    options.onExit(error);
  });

  async function stop(): Promise<void> {
    const message: ToWorker = { kind: 'stop' };
    const closed = new Promise<void>((resolve) => {
      worker.on('message', ({ kind }: FromWorker) => {
        if (kind === 'stopped') resolve();
      });
    });
    worker.postMessage(message);
    await Promise.race([closed, ended]);
    // The database is closed: whatever still keeps the thread from ending by itself need not be waited for.
    await worker.terminate();
    if (paths.isElsewhere) rmSync(paths.socketDirectory, { recursive: true, force: true });
    await release();
  }

  return {
    name: 'embedded database',
    url: embeddedUrl(options.dataDir),
    tcpPort,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Waits until the thread serves; its log lines and figures are passed on from then on. */
async function becomesReady(
  worker: Worker,
  ended: Promise<Error>,
  { log, metrics }: EmbeddedDatabaseOptions,
): Promise<number | undefined> {
  let load = { connections: 0, waiting: 0 };
  metrics?.bounded('database_connections', () => load.connections, CONNECTIONS_MAX);
  metrics?.bounded('database_queue', () => load.waiting, CONNECTIONS_MAX);
  const ready = new Promise<number | undefined>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') resolve(message.tcpPort);
      if (message.kind === 'failed') reject(new TailraceError(message.code, message.message));
      if (message.kind === 'log') log[message.level](message.fields, message.text);
      if (message.kind === 'load') load = message;
    });
  });
  return await Promise.race([
    ready,
    ended.then((cause) => {
      throw new TailraceError('database_failed', 'The embedded database did not start.', { cause });
    }),
  ]);
}

/** Below a shared temporary directory somebody else might have made it first, and would get everybody's connections. */
function makePrivate(directory: string): void {
  makeDirectory(directory, 0o700);
  const { uid } = statSync(directory);
  if (uid !== (process.getuid?.() ?? uid)) {
    throw new TailraceError(
      'data_dir_foreign',
      `${directory} belongs to another user: the database's socket stands there, so it has to be yours.`,
    );
  }
  chmodSync(directory, 0o700);
}

/**
 * A module as built JavaScript: a thread cannot run TypeScript. Beside this file when this is built itself, else in
 * dist/, where `npm run build` puts it.
 */
function builtFile(name: string): URL {
  const beside = new URL(`${name}.js`, import.meta.url);
  const built = new URL(`../../dist/sql/embedded/${name}.js`, import.meta.url);
  const file = import.meta.url.endsWith('.ts') ? built : beside;
  if (!existsSync(fileURLToPath(file))) {
    throw new TailraceError('not_built', `${fileURLToPath(file)} is missing: run "npm run build".`);
  }
  return file;
}
