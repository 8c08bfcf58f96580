// A real mosquitto for a test: started on a free port with a configuration of its own, stopped by the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** Starts it again on the same port, with what it has kept. */
  start(): Promise<void>;
  /** SIGTERM: with persistence, what is queued is kept. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Stops it for good and removes its files. */
  remove(): Promise<void>;
}

export interface MosquittoOptions {
  /** Keeps sessions and queues over a restart. */
  readonly persistence?: boolean;
  /** Lines of mosquitto.conf, e.g. `max_packet_size 1000`. */
  readonly lines?: readonly string[];
  /** Credentials that are asked for; none lets everybody in. */
  readonly credentials?: Credentials | readonly Credentials[];
  /** What is in its acl_file; none allows everything. */
  readonly acl?: string;
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function findProgram(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(existsSync) ?? name;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function hashPasswords(file: string, all: readonly Credentials[]): Promise<void> {
  await writeFile(file, '');
  for (const { username, password } of all) {
    const args = ['-b', file, username, password];
    await once(spawn('mosquitto_passwd', args, { stdio: 'ignore' }), 'exit');
  }
}

async function configure(folder: string, port: number, options: MosquittoOptions): Promise<string> {
  const lines = [
    `listener ${port} 127.0.0.1`,
    'max_inflight_messages 0',
    'max_queued_messages 0',
    ...(options.persistence ? ['persistence true', `persistence_location ${folder}/`] : []),
    ...(options.lines ?? []),
  ];
  if (options.credentials === undefined) {
    lines.push('allow_anonymous true');
  } else {
    const file = join(folder, 'passwords');
    await hashPasswords(file, [options.credentials].flat());
    lines.push('allow_anonymous false', `password_file ${file}`);
  }
  if (options.acl !== undefined) {
    const file = join(folder, 'acl');
    await writeFile(file, options.acl);
    lines.push(`acl_file ${file}`);
  }
  // Started by root it would become another user, who may not write here.
  if (process.getuid?.() === 0) lines.push('user root');
  const file = join(folder, 'mosquitto.conf');
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

/** Starts a mosquitto and waits until it accepts connections. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-mosquitto-'));
  const port = await freePort();
  const config = await configure(folder, port, options);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(findProgram('mosquitto'), ['-c', config], { stdio: 'ignore' });
    child = started;
    while (!(await accepts(port))) {
      if (started.exitCode !== null) throw new Error(`mosquitto ended (${started.exitCode})`);
      await setTimeout(10);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    ending.kill(signal);
    await once(ending, 'exit');
  }

  await start();
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async remove() {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
