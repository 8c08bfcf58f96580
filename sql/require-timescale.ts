// Is this a database that tailrace can live in? TimescaleDB has to be there, new enough, and in its community edition.
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Client } from './transaction.ts';

const SELECT_AVAILABLE = `
select coalesce(installed_version, default_version) as version, installed_version is not null as installed,
  current_database() as database, current_user as role
from pg_available_extensions where name = 'timescaledb'`;

const SELECT_LICENSE = `
select current_setting('timescaledb.license', true) as license`;

const VERSION_MIN = { major: 2, minor: 23 };
const NEEDED = `tailrace needs TimescaleDB ${VERSION_MIN.major}.${VERSION_MIN.minor} or newer (community edition)`;

interface AvailableRow {
  readonly version: string;
  readonly installed: boolean;
  readonly database: string;
  readonly role: string;
}

/**
 * Creates the extension where it is missing, within the caller's transaction.
 *
 * Throws TailraceError `database_too_old`, `database_privileges` or `database_license`.
 */
export async function requireTimescale(client: Client): Promise<void> {
  const available = (await client.query<AvailableRow>(SELECT_AVAILABLE)).rows[0];
  requireVersion(available?.version);
  if (available?.installed === false) await createExtension(client, available);
  const { rows } = await client.query<{ license: string | null }>(SELECT_LICENSE);
  requireLicense(rows[0]?.license ?? 'none');
}

/** Refuses versions, e.g. `2.23.0-dev`, that lack something that is used; undefined says that there is none at all. */
export function requireVersion(version: string | undefined): void {
  if (version === undefined) {
    throw new TailraceError(
      'database_too_old',
      `This PostgreSQL server has no TimescaleDB: install it there; ${NEEDED}.`,
    );
  }
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major > VERSION_MIN.major) return;
  if (major === VERSION_MIN.major && minor >= VERSION_MIN.minor) return;
  throw new TailraceError(
    'database_too_old',
    `This database has TimescaleDB ${version}: ${NEEDED}. Install it and run ALTER EXTENSION ` +
      'timescaledb UPDATE.',
    { details: { version } },
  );
}

/** Refuses what lacks continuous aggregates. */
export function requireLicense(license: string): void {
  if (license === 'timescale') return;
  throw new TailraceError(
    'database_license',
    `This server runs TimescaleDB with timescaledb.license = ${license}, which has no continuous ` +
      'aggregates: set timescaledb.license to timescale in postgresql.conf and restart it.',
    { details: { license } },
  );
}

async function createExtension(client: Client, available: AvailableRow): Promise<void> {
  try {
    await client.query('create extension if not exists timescaledb');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const { role, database } = available;
    if (code === '42501') {
      throw new TailraceError(
        'database_privileges',
        `Role ${role} may not create the extension timescaledb in database ${database}: run CREATE ` +
          'EXTENSION timescaledb there as an administrator, and start again.',
        { cause },
      );
    }
    throw new TailraceError(
      'database_too_old',
      `TimescaleDB could not be created in database ${database} (${messageOf(cause)}): it has to stand ` +
        `in shared_preload_libraries in postgresql.conf; ${NEEDED}.`,
      { cause },
    );
  }
}
