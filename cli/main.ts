#!/usr/bin/env node
// The command line: one file a command, put together here. Exit status 0 done, 1 failed, 2 wrong usage.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { messageOf, TailraceError } from '../lib/errors.ts';
import { letHeapGrow } from '../lib/heap.ts';

/** Codes of errors that are the caller's: wrong words or a wrong environment. */
const USAGE_CODES = new Set(['usage', 'config_invalid']);

/** The package's version, from the file that npm reads it from. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Each command's own file, read only when it is asked for: a token should not wait for a database driver to load. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).startCommand(),
  ingest: async () => (await import('./ingest.ts')).ingestCommand(),
  query: async () => (await import('./query.ts')).queryCommand(),
  demo: async () => (await import('./demo.ts')).demoCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
  token: async () => (await import('./token.ts')).tokenCommand(),
  'dead-letters': async () => (await import('./dead-letters.ts')).deadLettersCommand(),
  policy: async () => (await import('./policy.ts')).policyCommand(),
  config: async () => (await import('./config.ts')).configCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
};

/** The program with the command that the arguments begin with, or with all of them where they begin otherwise. */
async function program(args: readonly string[]): Promise<Command> {
  const root = new Command('tailrace')
    .description(
      'Telemetry in over MQTT, exact chart ranges and live tails out, under your policy.',
    )
    .version(version())
    .showHelpAfterError('(--help tells how it is used)')
    .exitOverride();
  const named = Object.entries(COMMANDS).filter(([name]) => name === args[0]);
  for (const [, load] of named.length > 0 ? named : Object.entries(COMMANDS)) {
    root.addCommand((await load()).exitOverride());
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

letHeapGrow();
try {
  await (await program(process.argv.slice(2))).parseAsync();
} catch (thrown) {
  // Not by exitCode: what a failed start left behind must not keep the process from ending.
  process.exit(statusOf(thrown));
}
