// A real redis-server for a test, on a Unix socket or a port of its own and without files.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './mosquitto.ts';

export interface TestRedis {
  /** Path of its socket, which ioredis takes for an address; or the URL of its port. */
  readonly url: string;
  /** Ends the server and all that it holds, and starts an empty one at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';

async function launch(address: readonly string[]): Promise<ChildProcess> {
  const options = [...address, '--save', '', '--appendonly', 'no'];
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

/** Starts a server: at a port of 127.0.0.1 where a process of its own shall find it by REDIS_URL. */
export async function startRedis(at: 'socket' | 'port' = 'socket'): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-redis-'));
  const socket = join(folder, 'redis.sock');
  const port = at === 'port' ? await freePort() : 0;
  const url = at === 'port' ? `redis://127.0.0.1:${port}` : socket;
  const address =
    at === 'port'
      ? ['--bind', '127.0.0.1', '--port', `${port}`]
      : ['--port', '0', '--unixsocket', socket];
  let child = await launch(address);
  return {
    url,
    async restart() {
      await end(child);
      child = await launch(address);
    },
    async stop() {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
