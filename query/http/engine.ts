// Finds a build of uWebSockets.js that runs on this machine. The modern build reaches Node 20, 22 and 24 with glibc
// 2.38; the older one Node 20 with glibc 2.27. The older package would answer a missing binary with an implementation in
// JavaScript (5 of 41 exports, a tenth of the speed): its binary is therefore asked for by name, so that there is none.

import type * as Uws from 'uWebSockets.js';
import { createRequire } from 'node:module';
import { messageOf, TailraceError } from '../../lib/errors.ts';

export type { HttpRequest, HttpResponse, TemplatedApp, WebSocket } from 'uWebSockets.js';

/** What both builds have of the library. */
export type Engine = Pick<
  typeof Uws,
  'App' | 'DISABLED' | 'us_listen_socket_close' | 'us_socket_local_port'
>;

export interface Candidate {
  readonly name: string;
  load(): unknown;
}

/** The engine refuses what is larger by closing the connection; below it this server answers 414 or 431 itself. */
const HEADERS_MAX_BYTES = 128 * 1024;

const NEEDED = ['App', 'SSLApp', 'us_listen_socket_close', 'us_socket_local_port'] as const;

function candidates(): Candidate[] {
  const require = createRequire(import.meta.url);
  const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  return [
    { name: 'uWebSockets.js 20.57', load: () => require('uWebSockets.js') },
    {
      name: 'uWebSockets.js 20.30',
      load: () => require(`uws-glibc-2.27/binaries/${binary}`),
    },
  ];
}

function isEngine(loaded: unknown): loaded is Engine {
  if (typeof loaded !== 'object' || loaded === null) return false;
  return NEEDED.every((name) => typeof Reflect.get(loaded, name) === 'function');
}

const CONNECTION_IDLE_S = 10;

/** LIBUS_LISTEN_EXCLUSIVE_PORT of both builds. */
const EXCLUSIVE_PORT = 1;

/** The overload of `listen` that both builds have and their types leave out. */
interface ExclusiveListener {
  listen(host: string, port: number, options: number, done: (socket: unknown) => void): void;
}

/**
 * Listens at a port that no other process has. Without being told the engine would share it with another process of its
 * own kind, and requests would go to either.
 */
export function listenAlone(
  app: Uws.TemplatedApp,
  host: string,
  port: number,
  done: (socket: Uws.us_listen_socket | false) => void,
): void {
  const listener = app as unknown as ExclusiveListener;
  listener.listen(host, port, EXCLUSIVE_PORT, done as (socket: unknown) => void);
}

/** What the modern build alone has: the older one is fixed at the same 10 s. */
interface TimedApp {
  setIdleTimeout?(seconds: number): void;
  setResponseTimeout?(seconds: number): void;
}

/**
 * Makes an app that gives up connections on which nothing is under way, a client that does not take its answer, and
 * one that takes longer than this to send the head of a request, at whatever pace it sends it. (Measured: 12 s, since
 * the engine looks every 4 s.)
 */
export function createApp(engine: Engine): Uws.TemplatedApp {
  const app = engine.App();
  const timed = app as TimedApp;
  timed.setIdleTimeout?.(CONNECTION_IDLE_S);
  timed.setResponseTimeout?.(CONNECTION_IDLE_S);
  return app;
}

/**
 * Loads the first build that works.
 *
 * @throws TailraceError `http_engine` where none does.
 */
export function loadEngine(from: readonly Candidate[] = candidates()): Engine {
  // Read by the library when it is loaded; its own default is 4 KB.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(HEADERS_MAX_BYTES);
  const failures: string[] = [];
  for (const candidate of from) {
    try {
      const loaded = candidate.load();
      if (isEngine(loaded)) return loaded;
      failures.push(`${candidate.name}: not the native build`);
    } catch (cause) {
      failures.push(`${candidate.name}: ${messageOf(cause)}`);
    }
  }
  throw new TailraceError(
    'http_engine',
    `No build of uWebSockets.js runs here (Node ${process.versions.node}, ${process.platform} ${process.arch}): ` +
      'use Node 20 with glibc 2.27 or newer, or Node 20, 22 or 24 with glibc 2.38 or newer (Debian 13, Ubuntu 24.04).',
    { details: { failures } },
  );
}
