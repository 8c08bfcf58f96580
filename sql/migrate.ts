// Brings a database to the schema that this program expects: numbered migrations, each applied once and never edited
// afterwards, then routines, applied again whenever their text changed.
//
// Every step is a transaction of its own that takes the migration lock first and then looks at what is applied already,
// so any number of processes may start at once. The lock is the transaction's, not the session's: on the embedded
// engine all connections share one session, and there transactions exclude one another.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type pg from 'pg';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { MIGRATION_LOCK } from './locks.ts';
import { requireTimescale } from './require-timescale.ts';
import { begin, type Client, transact, type Writable } from './transaction.ts';

export type MigrationState = 'applied' | 'pending' | 'edited' | 'unknown';

export interface MigrationStatus {
  /** File name, e.g. `0001_readings.sql`; routines stand as `routines/<file>`. */
  readonly name: string;
  /** `edited`: the file is not the one that was applied. `unknown`: applied by a newer program, no such file here. */
  readonly state: MigrationState;
  readonly appliedAt: Date | null;
}

interface Script {
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
}

interface AppliedRow {
  readonly name: string;
  readonly checksum: string;
  readonly applied_at: Date;
}

const ROUTINES = 'routines/';

const CREATE_ACCOUNT = `
create schema if not exists tailrace;
create table if not exists tailrace.schema_migration (
  name        text primary key,
  checksum    text not null,
  applied_at  timestamptz not null default now()
)`;

const SELECT_APPLIED = `
select name, checksum, applied_at from tailrace.schema_migration order by name`;

const ACCOUNT_EXISTS = `
select to_regclass('tailrace.schema_migration') is not null as exists`;

const UPSERT_APPLIED = `
insert into tailrace.schema_migration (name, checksum) values ($1, $2)
on conflict (name) do update set checksum = excluded.checksum, applied_at = now()`;

/**
 * Applies what is missing and gives back the names of what it applied (none: the database was up to date).
 *
 * Throws TailraceError `database_too_old`, `database_license`, `database_privileges`, `migration_edited`,
 * `migration_failed` or `database_newer`, each saying what to do; nothing of the failing step is kept.
 */
export async function migrate(
  database: Writable,
  options: { log: Log; directory?: URL },
): Promise<string[]> {
  const scripts = readScripts(options.directory);
  await transact(database, beginLocked, requireTimescale);
  await transact(database, beginLocked, async (client) => {
    await client.query(CREATE_ACCOUNT);
    refuseDeviations(compare(scripts, await selectApplied(client)));
  });
  const applied: string[] = [];
  for (const script of scripts) {
    if (await transact(database, beginLocked, (client) => applyIfMissing(client, script))) {
      applied.push(script.name);
      options.log.info({ migration: script.name }, 'migration applied');
    }
  }
  return applied;
}

/** What is applied, pending, edited or unknown, in the order of application. Changes nothing. */
export async function migrationStatus(
  database: Writable,
  options: { directory?: URL } = {},
): Promise<MigrationStatus[]> {
  const scripts = readScripts(options.directory);
  const { rows } = await database.writer.query<{ exists: boolean }>(ACCOUNT_EXISTS);
  const applied = rows[0]?.exists === true ? await selectApplied(database.writer) : [];
  return compare(scripts, applied);
}

/** Sets what should be there against what is. Pure. A changed routine is pending, not edited: it may change. */
export function compare(
  scripts: readonly Pick<Script, 'name' | 'checksum'>[],
  applied: readonly AppliedRow[],
): MigrationStatus[] {
  const appliedByName = new Map(applied.map((row) => [row.name, row]));
  const known = scripts.map(({ name, checksum }): MigrationStatus => {
    const row = appliedByName.get(name);
    appliedByName.delete(name);
    if (row === undefined) return { name, state: 'pending', appliedAt: null };
    const changed = name.startsWith(ROUTINES) ? 'pending' : 'edited';
    const state = row.checksum === checksum ? 'applied' : changed;
    return { name, state, appliedAt: row.applied_at };
  });
  const unknown = [...appliedByName.values()]
    .filter(({ name }) => !name.startsWith(ROUTINES))
    .map(
      (row): MigrationStatus => ({
        name: row.name,
        state: 'unknown',
        appliedAt: row.applied_at,
      }),
    );
  return [...known, ...unknown];
}

function refuseDeviations(statuses: readonly MigrationStatus[]): void {
  const edited = statuses.find(({ state }) => state === 'edited');
  if (edited !== undefined) {
    throw new TailraceError(
      'migration_edited',
      `Migration ${edited.name} was edited after it had been applied to this database: restore the ` +
        'file as it was, and put the change into a new migration.',
      { details: { migration: edited.name } },
    );
  }
  const unknown = statuses.find(({ state }) => state === 'unknown');
  if (unknown !== undefined) {
    throw new TailraceError(
      'database_newer',
      `This database has migration ${unknown.name}, which this version of tailrace does not know: ` +
        'start the newer version that migrated it.',
      { details: { migration: unknown.name } },
    );
  }
}

async function applyIfMissing(client: Client, script: Script): Promise<boolean> {
  const applied = (await selectApplied(client)).find(({ name }) => name === script.name);
  if (applied?.checksum === script.checksum) return false;
  if (applied !== undefined) refuseDeviations(compare([script], [applied]));
  try {
    await client.query(script.text);
  } catch (cause) {
    throw new TailraceError(
      'migration_failed',
      `Migration ${script.name} failed and was rolled back: ${messageOf(cause)}`,
      { cause, details: { migration: script.name } },
    );
  }
  await client.query(UPSERT_APPLIED, [script.name, script.checksum]);
  return true;
}

async function beginLocked(client: Client): Promise<void> {
  await begin(client);
  await client.query('select pg_advisory_xact_lock($1, $2)', [...MIGRATION_LOCK]);
}

async function selectApplied(client: Client | pg.Pool): Promise<AppliedRow[]> {
  return (await client.query<AppliedRow>(SELECT_APPLIED)).rows;
}

/** Migrations by number, then routines by name. Line ends are made equal first: a checkout may have changed them. */
function readScripts(directory = new URL('./', import.meta.url)): Script[] {
  const read = (folder: string, prefix: string): Script[] => {
    const url = new URL(folder, directory);
    return listSql(url).map((file) => {
      const text = readFileSync(new URL(file, url), 'utf8').replaceAll('\r\n', '\n');
      const checksum = createHash('sha256').update(text).digest('hex');
      return { name: prefix + file, text, checksum };
    });
  };
  return [...read('migrations/', ''), ...read('routines/', ROUTINES)];
}

function listSql(folder: URL): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.sql'))
      .sort();
  } catch (cause) {
    // There may be no routines at all.
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw cause;
  }
}
