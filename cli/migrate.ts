// `tailrace migrate` and `tailrace migrate status`: the database's schema, brought up to date or shown.
import { Command } from 'commander';
import { readConfig } from '../lib/config.ts';
import { createLog } from '../lib/log.ts';
import { type MigrationStatus, migrate, migrationStatus } from '../sql/migrate.ts';
import { withDatabase } from './database.ts';

interface OutputOptions {
  readonly json?: boolean;
}

export function migrateCommand(): Command {
  const command = new Command('migrate')
    .description('apply the migrations that are missing (start does it too)')
    .option('--json', 'as one JSON object')
    .action((options: OutputOptions) => applyMigrations(options));
  command
    .command('status')
    .description('show which migrations are applied')
    .option('--json', 'as a JSON list')
    .action((_options: OutputOptions, status: Command) => showStatus(status.optsWithGlobals()));
  return command;
}

async function applyMigrations(options: OutputOptions): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  const applied = await withDatabase(config, log, (database) => migrate(database, { log }));
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ applied })}\n`);
    return;
  }
  const said = applied.length === 0 ? ['nothing to apply'] : applied.map((n) => `applied ${n}`);
  process.stdout.write(`${said.join('\n')}\n`);
}

async function showStatus(options: OutputOptions): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  const statuses = await withDatabase(config, log, (database) => migrationStatus(database));
  process.stdout.write(options.json === true ? `${JSON.stringify(statuses)}\n` : table(statuses));
}

function table(statuses: readonly MigrationStatus[]): string {
  const width = Math.max(...statuses.map(({ name }) => name.length));
  return statuses
    .map(({ name, state, appliedAt }) => {
      const when = appliedAt === null ? '' : `  ${appliedAt.toISOString()}`;
      return `${name.padEnd(width)}  ${state}${when}\n`;
    })
    .join('');
}
