// A mosquitto of one's own on a port of the system's choice, without limits of its own in the way.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { TailraceError } from '../../lib/errors.ts';
import type { Part } from '../../lib/lifecycle.ts';

export interface Mosquitto extends Part {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
}

const HOST = '127.0.0.1';
const START_MAX_MS = 10_000;
// Debian puts daemons into /usr/sbin, which an ordinary user's PATH leaves out.
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter);

/** Starts mosquitto. Throws `mosquitto_missing` where there is none. */
export async function startMosquitto(): Promise<Mosquitto> {
  const version = readVersion();
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-bench-mosquitto-'));
  const port = await freePort();
  const file = join(folder, 'mosquitto.conf');
  const settings = [
    `listener ${port} ${HOST}`,
    'allow_anonymous true',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'log_type error',
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const child = spawn('mosquitto', ['-c', file], {
    env: { ...process.env, PATH },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true });
  }
  const mosquitto = {
    name: 'mosquitto',
    url: `mqtt://${HOST}:${port}`,
    host: HOST,
    port,
    version,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
  try {
    await answers(port);
  } catch (error) {
    await mosquitto.stop();
    throw error;
  }
  return mosquitto;
}

/** `mosquitto -h` says its version first, and ends with a status of its own choice. */
function readVersion(): string {
  try {
    const env = { ...process.env, PATH };
    const text = execFileSync('sh', ['-c', 'mosquitto -h || true'], { env, encoding: 'utf8' });
    const found = /version (\S+)/.exec(text)?.[1];
    if (found !== undefined) return found;
  } catch {
    // Told below, whatever kept it from answering.
  }
  throw new TailraceError(
    'mosquitto_missing',
    'this needs mosquitto; on Debian or Ubuntu: apt-get install mosquitto',
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
  return address.port;
}

/** Resolves when something accepts connections at the port. */
async function answers(port: number): Promise<void> {
  const deadline = performance.now() + START_MAX_MS;
  for (;;) {
    const socket = connect(port, HOST);
    try {
      await once(socket, 'connect');
      return;
    } catch (cause) {
      if (performance.now() > deadline) {
        throw new TailraceError('mosquitto_failed', 'mosquitto does not answer', { cause });
      }
      await wait(10);
    } finally {
      socket.destroy();
    }
  }
}
