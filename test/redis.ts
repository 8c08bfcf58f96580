// A real redis-server for a test, on a Unix socket or a port of its own. Without files, unless it is to keep its data.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './mosquitto.ts';

export interface TestRedis {
  /** Path of its socket, which ioredis takes for an address; or the URL of its port. */
  readonly url: string;
  /** Ends the server, and starts it at the same address: an empty one, unless it keeps its data. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** For one that keeps its data and is not running: there is nothing left of it. */
  forget(): void;
  /** For one that keeps its data: what it has now is what it has after `recall`, which is for one that is not running. */
  remember(): void;
  recall(): void;
  /** Stops it where it stands, or lets it go on: its connections stay. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';

async function launch(options: readonly string[]): Promise<ChildProcess> {
  const child = spawn(PROGRAM, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of child.stdout.iterator({ destroyOnReturn: false })) {
    if (!/ready to accept connections/i.test(String(line))) continue;
    child.stdout.resume();
    return child;
  }
  throw new Error('redis-server did not start');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Starts a server: at a port of 127.0.0.1 where a process of its own shall find it by REDIS_URL. */
export async function startRedis(
  at: 'socket' | 'port' = 'socket',
  { keepsData = false } = {},
): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-redis-'));
  const socket = join(folder, 'redis.sock');
  const [data, copy] = [join(folder, 'appendonlydir'), join(folder, 'copy')];
  const port = at === 'port' ? await freePort() : 0;
  const url = at === 'port' ? `redis://127.0.0.1:${port}` : socket;
  const address =
    at === 'port'
      ? ['--bind', '127.0.0.1', '--port', `${port}`]
      : ['--port', '0', '--unixsocket', socket];
  const files = keepsData
    ? ['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always']
    : ['--appendonly', 'no'];
  const options = [...address, '--save', '', ...files];
  let child = await launch(options);
  const start = async () => {
    child = await launch(options);
  };
  return {
    url,
    start,
    kill: () => end(child),
    forget: () => rmSync(data, { recursive: true, force: true }),
    remember: () => cpSync(data, copy, { recursive: true }),
    recall() {
      rmSync(data, { recursive: true, force: true });
      cpSync(copy, data, { recursive: true });
    },
    async restart() {
      await end(child);
      await start();
    },
    signal: (name) => void child.kill(name),
    async stop() {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
