// A migrated database in a process of its own, for tests that kill it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { embeddedUrl } from '../sql/embedded/engine.ts';
import { makeMigratedDataDir, openTestDatabase } from './database.ts';

const CHILD = fileURLToPath(new URL('database-child.mjs', import.meta.url));

export interface DatabaseProcess {
  /** The same after each start. */
  readonly url: string;
  /** Starts it again; resolves when it serves. */
  start(): Promise<void>;
  /** SIGKILL ends it at once, SIGTERM in peace; SIGSTOP holds it, and SIGCONT lets it go on. */
  signal(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

/** Starts one on a migrated folder of its own, or on `dataDir`, which is filled with one and not removed. */
export async function startDatabaseProcess(dataDir?: string): Promise<DatabaseProcess> {
  const made = await makeMigratedDataDir();
  if (dataDir !== undefined) cpSync(made, dataDir, { recursive: true });
  const folder = dataDir ?? made;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const { PATH, HOME, TMPDIR } = process.env;
    const env = { PATH, HOME, TMPDIR, DATA_DIR: folder };
    const started = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    const ended = once(started, 'exit').then(() => Promise.reject(new Error('it did not start')));
    await Promise.race([once(createInterface({ input: started.stdout }), 'line'), ended]);
    ended.catch(() => {});
  }

  async function signal(name: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = name === 'SIGKILL' || name === 'SIGTERM' ? once(child, 'exit') : undefined;
    child.kill(name);
    await exited;
  }

  await start();
  return {
    url: embeddedUrl(folder),
    start,
    signal,
    async remove() {
      await signal('SIGKILL');
      rmSync(made, { recursive: true, force: true });
    },
  };
}

/** A database of the server at DATABASE_URL, which others use too: it cannot be killed. */
export async function useDatabaseServer(): Promise<DatabaseProcess> {
  const { url, dispose } = await openTestDatabase();
  const refuse = () => Promise.reject(new Error('The server at DATABASE_URL is not to be killed.'));
  return { url, start: refuse, signal: refuse, remove: dispose };
}
