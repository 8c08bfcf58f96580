#!/usr/bin/env node
// The command line: one file a command, put together here. Exit status 0 done, 1 failed, 2 wrong usage.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { messageOf, TailraceError } from '../lib/errors.ts';
import { configCommand } from './config.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { ingestCommand } from './ingest.ts';
import { migrateCommand } from './migrate.ts';
import { queryCommand } from './query.ts';
import { startCommand } from './start.ts';
import { tokenCommand } from './token.ts';

/** Codes of errors that are the caller's: wrong words or a wrong environment. */
const USAGE_CODES = new Set(['usage', 'config_invalid']);

/** The package's version, from the file that npm reads it from. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function program(): Command {
  const root = new Command('tailrace')
    .description(
      'Telemetry in over MQTT, exact chart ranges and live tails out, under your policy.',
    )
    .version(version())
    .showHelpAfterError('(--help tells how it is used)')
    .exitOverride();
  for (const command of [
    startCommand(),
    ingestCommand(),
    queryCommand(),
    demoCommand(),
    migrateCommand(),
    tokenCommand(),
    configCommand(),
    doctorCommand(),
  ]) {
    root.addCommand(command.exitOverride());
  }
  return root;
}

/** The exit status for whatever a command threw; what there is to say goes to standard error. */
function statusOf(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  process.stderr.write(`tailrace: ${messageOf(thrown)}\n`);
  if (thrown instanceof TailraceError) return USAGE_CODES.has(thrown.code) ? 2 : 1;
  if (thrown instanceof Error && thrown.stack !== undefined) {
    process.stderr.write(`${thrown.stack}\n`);
  }
  return 1;
}

try {
  await program().parseAsync();
} catch (thrown) {
  process.exitCode = statusOf(thrown);
}
