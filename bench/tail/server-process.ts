// The server of the tail cases, a process of its own, so that what it costs can be told from the rest: tailrace's query
// server, or one of those that it is measured against.
import { letHeapGrow } from '../../lib/heap.ts';
import { createLifecycle } from '../../lib/lifecycle.ts';
import { createLog } from '../../lib/log.ts';
import { startNaive, startPublish } from '../services/fan-out.ts';
import { pace, setOf } from './load.ts';
import type { ServerAnswer, ServerRequest, ServerSettings } from './messages.ts';
import type { Started } from './tailrace-server.ts';

/** So many short-lived arrays, so many times: some 100 MB. */
const YOUNG_ARRAYS = 20_000;
const YOUNG_ROUNDS = 120;

const lifecycle = createLifecycle(createLog('warn'));

async function start(settings: ServerSettings): Promise<Started> {
  const { kind, shape, seriesIds } = settings;
  if (kind === 'tailrace') {
    // What the others have no use for would take them a second to load.
    const { startTailrace } = await import('./tailrace-server.ts');
    return startTailrace(settings, lifecycle);
  }
  if (kind === 'naive') return { token: '', ...(await startNaive(shape, seriesIds)) };
  const sets = Array.from({ length: shape.pattern === 'one' ? 1 : shape.subscribers }, (_, index) =>
    setOf(shape, index).map((at) => seriesIds[at]!),
  );
  return { token: '', ...(await startPublish(shape, seriesIds, sets)) };
}

function say(answer: ServerAnswer): void {
  if (process.connected) process.send?.(answer);
}

/**
 * Collects twice: what has an end to tell of goes the second time. Before, the collector's young space is gone through as
 * a whole: it would come into memory bit by bit else, and be taken for what subscribers take (8 to 11 KB of 9 each).
 */
function collect(): void {
  const garbage: number[][][] = [];
  for (let i = 0; i < YOUNG_ROUNDS; i++) {
    garbage[0] = Array.from({ length: YOUNG_ARRAYS }, (_, index) => [index]);
  }
  garbage.length = 0;
  globalThis.gc?.();
  globalThis.gc?.();
}

function account(collected: boolean): ServerAnswer {
  if (collected) collect();
  // User and system time of all threads.
  const { user, system } = process.cpuUsage();
  return { kind: 'account', cpuS: (user + system) / 1e6, rssBytes: process.memoryUsage.rss() };
}

function fail(cause: unknown): never {
  process.stderr.write(`tail server: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
  process.exit(1);
}

async function main(settings: ServerSettings): Promise<void> {
  const { port, token, publish } = await start(settings);
  process.on('message', (request: ServerRequest) => {
    if (request.kind === 'account') say(account(request.collected));
    else pace(request.load, publish).then(() => say({ kind: 'load' }), fail);
  });
  process.once('disconnect', () => {
    void lifecycle.stop().finally(() => process.exit(0));
  });
  say({ kind: 'listening', port, token });
}

// As the program has it.
letHeapGrow();
process.once('message', (settings: ServerSettings) => {
  main(settings).catch(fail);
});
