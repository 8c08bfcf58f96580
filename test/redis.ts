// A real redis-server for a test, on a Unix socket of its own and without files.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestRedis {
  /** Path of its socket, which ioredis takes for an address. */
  readonly url: string;
  /** Ends the server and all that it holds, and starts an empty one at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';

async function launch(socket: string): Promise<ChildProcess> {
  const options = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'];
  const child = spawn(PROGRAM, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of child.stdout.iterator({ destroyOnReturn: false })) {
    if (!/ready to accept connections/i.test(String(line))) continue;
    child.stdout.resume();
    return child;
  }
  throw new Error('redis-server did not start');
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Starts a server. */
export async function startRedis(): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-redis-'));
  const url = join(folder, 'redis.sock');
  let child = await launch(url);
  return {
    url,
    async restart() {
      await end(child);
      child = await launch(url);
    },
    async stop() {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
