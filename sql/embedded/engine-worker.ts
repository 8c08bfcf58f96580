// The thread that owns the embedded database: opens it, serves it, closes it. A statement blocks this thread while it
// runs, and no other one.
import { chmodSync, rmSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { makeDirectory } from '../../lib/directory.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { openBackend } from './backend.ts';
import { createEndpoint } from './endpoint.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './engine-messages.ts';
import { placeInitialDirectory } from './initial-directory.ts';
import { startMaintenance } from './maintenance.ts';

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

const LOAD_INTERVAL_MS = 1_000;

/**
 * How hot a function of the engine must be before V8 compiles it again, optimised. At V8's own value (a tenth of this) a
 * start costs 1.9 s of CPU and the first statements 0.7 s, with this 1.3 s and 0.5 s, and COPY is as fast from the second
 * 100,000 rows on.
 */
const TIERING_BUDGET = 20_000_000;

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

/** The main thread's log, from here. */
function remoteLog(): Log {
  const at = (level: 'info' | 'warn' | 'error') => (first: unknown, second?: unknown) => {
    const [fields, text] = typeof first === 'string' ? [{}, first] : [first, String(second)];
    tell({ kind: 'log', level, fields: plain(fields), text });
  };
  // Of pino's logger only these three are used on this side.
  return { info: at('info'), warn: at('warn'), error: at('error') } as unknown as Log;
}

function plain(fields: unknown): Record<string, unknown> {
  const entries = Object.entries(fields ?? {}).map(([name, value]) => [
    name,
    value instanceof Error ? { message: value.message, stack: value.stack } : value,
  ]);
  return Object.fromEntries(entries);
}

async function main(options: WorkerOptions): Promise<void> {
  setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
  const log = remoteLog();
  placeInitialDirectory(options.databaseDirectory);
  makeDirectory(options.databaseDirectory, 0o700);
  const backend = await openBackend(options.databaseDirectory, ANSWER_BYTES_MAX, options);
  const endpoint = createEndpoint(backend, log);
  const nowMs = () => performance.now();
  const { session, settings } = endpoint;
  const maintenance = startMaintenance({ backend, session, settings, log, nowMs });
  rmSync(options.socket, { force: true });
  await endpoint.listen({ path: options.socket });
  // No password is asked for: the socket is its owner's alone, wherever it stands.
  chmodSync(options.socket, 0o600);
  const tcpPort =
    options.tcpPort === undefined ? undefined : await endpoint.listen({ port: options.tcpPort });

  const load = setInterval(() => {
    tell({ kind: 'load', connections: endpoint.connections, waiting: session.waiting });
  }, LOAD_INTERVAL_MS);
  parentPort?.on('message', async (message: ToWorker) => {
    if (message.kind !== 'stop') return;
    clearInterval(load);
    maintenance.stop();
    await endpoint.stop();
    backend.close();
    tell({ kind: 'stopped' });
    parentPort?.close();
  });
  tell({ kind: 'ready', tcpPort });
}

try {
  await main(workerData as WorkerOptions);
} catch (thrown) {
  const code = thrown instanceof TailraceError ? thrown.code : 'database_failed';
  tell({ kind: 'failed', code, message: messageOf(thrown) });
}
