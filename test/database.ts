// A database of its own for each test that wants one: migrated once, copied many times. Embedded by default; of the server
// at DATABASE_URL where that is set.
import { createHash, randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { TailraceError } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { type Database, driverOptions, openDatabase } from '../sql/connection.ts';
import { startEmbeddedDatabase } from '../sql/embedded/engine.ts';
import { lockDirectory } from '../sql/embedded/lock.ts';
import { migrate } from '../sql/migrate.ts';

export interface TestDatabase {
  readonly database: Database;
  readonly url: string;
  /** Closes it and removes every trace. */
  dispose(): Promise<void>;
}

const log = createLog('silent');
const SQL = fileURLToPath(new URL('../sql/', import.meta.url));
const TEMPLATE_POLL_MS = 50;
const OLD_TEMPLATE_MS = 24 * 3600 * 1000;

/** Gives a migrated database that nobody else uses, on whichever engine the tests run with. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const server = process.env.DATABASE_URL;
  return server === undefined || server === '' ? await openEmbedded() : await openNative(server);
}

/** A data directory below os.tmpdir() with a migrated database in it, for whoever starts the engine himself. */
export async function makeMigratedDataDir(): Promise<string> {
  const template = await embeddedTemplate();
  const dataDir = mkdtempSync(join(tmpdir(), 'tailrace-test-'));
  cpSync(join(template, 'db'), join(dataDir, 'db'), { recursive: true });
  return dataDir;
}

async function openEmbedded(): Promise<TestDatabase> {
  const dataDir = await makeMigratedDataDir();
  const engine = await startEmbeddedDatabase({ dataDir, log, syncs: false });
  const database = await openDatabase({ url: engine.url, embedded: true, log });
  return {
    database,
    url: engine.url,
    async dispose() {
      await database.stop();
      await engine.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The migrated directory, made by the first who needs it; the others wait for him. */
export async function embeddedTemplate(): Promise<string> {
  const prefix = `tailrace-test-template-${process.getuid?.() ?? 0}-`;
  const template = join(tmpdir(), prefix + schemaDigest());
  for (;;) {
    if (existsSync(template)) return template;
    const makers = `${template}.lock`;
    mkdirSync(makers, { recursive: true, mode: 0o700 });
    try {
      const lock = await lockDirectory(makers);
      try {
        if (!existsSync(template)) await makeTemplate(template);
        removeOldTemplates(prefix);
      } finally {
        await lock.release();
      }
    } catch (error) {
      if (!(error instanceof TailraceError && error.code === 'database_in_use')) throw error;
      await delay(TEMPLATE_POLL_MS);
    }
  }
}

async function makeTemplate(template: string): Promise<void> {
  const dataDir = `${template}.${randomBytes(4).toString('hex')}`;
  const engine = await startEmbeddedDatabase({ dataDir, log, syncs: false });
  try {
    const database = await openDatabase({ url: engine.url, embedded: true, log });
    await migrate(database, { log });
    await database.stop();
  } finally {
    await engine.stop();
  }
  await rename(dataDir, template);
}

function removeOldTemplates(prefix: string): void {
  for (const name of readdirSync(tmpdir())) {
    const path = join(tmpdir(), name);
    if (!name.startsWith(prefix) || Date.now() - statSync(path).mtimeMs < OLD_TEMPLATE_MS) continue;
    rmSync(path, { recursive: true, force: true });
  }
}

/** What a template is made of: another text, another template. */
function schemaDigest(): string {
  const digest = createHash('sha256').update(readFileSync(join(SQL, '../package-lock.json')));
  for (const folder of ['migrations', 'routines']) {
    if (!existsSync(join(SQL, folder))) continue;
    for (const name of readdirSync(join(SQL, folder)).sort()) {
      digest.update(name).update(readFileSync(join(SQL, folder, name)));
    }
  }
  return digest.digest('hex').slice(0, 12);
}

async function openNative(server: string): Promise<TestDatabase> {
  const admin = new pg.Client(driverOptions(server).pg);
  await admin.connect();
  const name = `tailrace_test_${randomBytes(6).toString('hex')}`;
  try {
    await admin.query(`create database ${name} template ${await nativeTemplate(admin, server)}`);
  } finally {
    await admin.end();
  }
  const url = withDatabase(server, name);
  const database = await openDatabase({ url, embedded: false, log });
  return {
    database,
    url,
    async dispose() {
      await database.stop();
      const last = new pg.Client(driverOptions(server).pg);
      await last.connect();
      await last.query(`drop database if exists ${name} with (force)`);
      await last.end();
    },
  };
}

/** The migrated database of a server, under a session lock: one makes it, the others wait. */
async function nativeTemplate(admin: pg.Client, server: string): Promise<string> {
  const template = `tailrace_template_${schemaDigest()}`;
  await admin.query('select pg_advisory_lock(hashtext($1))', [template]);
  try {
    const found = await admin.query('select 1 from pg_database where datname = $1', [template]);
    if (found.rowCount === 0) await makeNativeTemplate(admin, server, template);
  } finally {
    await admin.query('select pg_advisory_unlock(hashtext($1))', [template]);
  }
  return template;
}

async function makeNativeTemplate(admin: pg.Client, server: string, name: string): Promise<void> {
  const draft = `${name}_draft`;
  await admin.query(`drop database if exists ${draft} with (force)`);
  await admin.query(`create database ${draft}`);
  const database = await openDatabase({ url: withDatabase(server, draft), embedded: false, log });
  try {
    await migrate(database, { log });
  } finally {
    await database.stop();
  }
  // TimescaleDB's scheduler connects to every database that has it, and nobody may be connected to a template.
  await admin.query(`alter database ${draft} allow_connections false`);
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
    draft,
  ]);
  await admin.query(`alter database ${draft} rename to ${name}`);
}

function withDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  url.searchParams.delete('dbname');
  return url.href;
}
