// The database of a command: DATABASE_URL's, or the embedded one below DATA_DIR, whoever holds it at the moment.
import type { Config } from '../lib/config.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Lifecycle } from '../lib/lifecycle.ts';
import { createLifecycle } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { type Database, openDatabase } from '../sql/connection.ts';
import { embeddedUrl, startEmbeddedDatabase } from '../sql/embedded/engine.ts';

/** Opens connections to the configured database; an embedded engine is started first and stops last. */
export async function startDatabase(
  config: Config,
  lifecycle: Lifecycle,
  log: Log,
  metrics: Metrics = createMetrics(),
): Promise<Database> {
  if (config.DATABASE_URL !== undefined) {
    const readUrl = config.DATABASE_READ_URL;
    return lifecycle.add(
      await openDatabase({
        url: config.DATABASE_URL,
        ...(readUrl === undefined ? {} : { readUrl }),
        embedded: false,
        writers: config.INGEST_WRITERS,
        log,
      }),
    );
  }
  log.info({ dataDir: config.DATA_DIR }, 'DATABASE_URL is unset: embedded TimescaleDB');
  const engine = lifecycle.add(
    await startEmbeddedDatabase({ dataDir: config.DATA_DIR, log, metrics, onExit: endProcess }),
  );
  return lifecycle.add(await openDatabase({ url: engine.url, embedded: true, log }));
}

/**
 * Lends a database to a command that is not a server. Beside a running process it works through that process's
 * socket; otherwise the embedded engine runs for as long as the command does.
 */
export async function withDatabase<T>(
  config: Config,
  log: Log,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const lifecycle = createLifecycle(log);
  try {
    return await use(await openAnywhere(config, lifecycle, log));
  } finally {
    await lifecycle.stop();
  }
}

async function openAnywhere(config: Config, lifecycle: Lifecycle, log: Log): Promise<Database> {
  try {
    return await startDatabase(config, lifecycle, log);
  } catch (error) {
    if (!(error instanceof TailraceError && error.code === 'database_in_use')) throw error;
    log.info('another process holds the embedded database: working through its socket');
    return lifecycle.add(
      await openDatabase({ url: embeddedUrl(config.DATA_DIR), embedded: true, log }),
    );
  }
}

/** Without its database the process can neither commit nor answer: whoever supervises it shall start it again. */
function endProcess(): void {
  process.exit(1);
}
