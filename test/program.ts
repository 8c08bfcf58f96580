// The built program as a user runs it: a process of its own, with an environment, ports of its own and a data folder.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { embeddedTemplate } from './database.ts';

/** How long `eventually` leaves the two cores to others between two questions. */
const POLL_MS = 20;
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Environment of a child: nothing of this process's own configuration leaks in but the database, if one is given. */
function childEnvironment(env: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, LOG_LEVEL: 'info', ...env };
}

export interface LogLine {
  readonly msg: string;
  readonly [member: string]: unknown;
}

export interface Program {
  readonly process: ChildProcess;
  readonly dataDir: string;
  readonly httpUrl: string;
  /** Of the embedded broker; undefined with MQTT_URL. */
  readonly mqttUrl: string | undefined;
  readonly log: readonly LogLine[];
  /** Asks it to end with a signal and gives back the exit status (null after SIGKILL). */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ProgramOptions {
  readonly command?: string;
  readonly dataDir: string;
  readonly env?: Record<string, string>;
  /**
   * The program makes and migrates its own embedded database, as a user's first start does, which takes some 2 s of CPU.
   * Otherwise an empty folder gets a migrated one first.
   */
  readonly isFirstStart?: boolean;
}

/** Puts a migrated database into a data folder that has none. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  const directory = join(dataDir, 'db');
  if (existsSync(directory)) return;
  await cp(join(await embeddedTemplate(), 'db'), directory, { recursive: true });
}

/** Starts the program and resolves when it says that it serves. Rejects with its log if it ends before. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const env = childEnvironment({
    DATA_DIR: options.dataDir,
    HTTP_PORT: '0',
    MQTT_PORT: '0',
    ...options.env,
  });
  const isEmbedded = options.env?.DATABASE_URL === undefined;
  if (isEmbedded && options.isFirstStart !== true) await prepareDataDir(options.dataDir);
  const child = spawn(process.execPath, [MAIN, options.command ?? 'start'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: LogLine[] = [];
  const raw: string[] = [];
  const serving = new Promise<LogLine>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      raw.push(line);
      if (!line.startsWith('{')) return;
      const entry = JSON.parse(line) as LogLine;
      log.push(entry);
      if (entry.msg === 'serving') resolve(entry);
    });
    child.once('exit', (status, signal) => {
      reject(
        new Error(`the program ended (${status ?? signal}) before it served:\n${raw.join('\n')}`),
      );
    });
  });
  child.stdout.resume();
  const entry = await serving;
  return {
    process: child,
    dataDir: options.dataDir,
    httpUrl: String(entry.http),
    mqttUrl: entry.mqtt === undefined ? undefined : String(entry.mqtt),
    log,
    async end(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exit = once(child, 'exit') as Promise<[number | null]>;
      child.kill(signal);
      const [status] = await exit;
      // Why it did not end well is in its log, and nowhere else.
      if (status !== 0 && signal !== 'SIGKILL')
        process.stderr.write(`${raw.slice(-40).join('\n')}\n`);
      return status;
    },
  };
}

/** Runs a command of the program to its end. */
export async function runCommand(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ status: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], {
      env: childEnvironment(env),
    });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

/** A token of the program's own key. */
export async function issueToken(
  dataDir: string,
  claims: { tenant: string; role: string; ttl?: string; claim?: string },
): Promise<string> {
  const { status, stdout, stderr } = await runCommand(
    [
      'token',
      '--tenant',
      claims.tenant,
      '--role',
      claims.role,
      ...(claims.ttl === undefined ? [] : ['--ttl', claims.ttl]),
      ...(claims.claim === undefined ? [] : ['--claim', claims.claim]),
    ],
    { DATA_DIR: dataDir },
  );
  if (status !== 0) throw new Error(`no token: ${stderr}`);
  return stdout.trim();
}

/** A folder that is there for the length of a test. */
export async function withDataDir<T>(use: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-'));
  try {
    return await use(dataDir);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Asks again until the answer is there. Gives up after `timeoutMs` with the last answer in the error. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isThere: (answer: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isThere(answer)) return answer;
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms; the last answer was ${JSON.stringify(answer)}`);
    }
    await setTimeout(POLL_MS);
  }
}
