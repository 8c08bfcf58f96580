// Tries a candidate in a thread that can be ended: a rule that never ends, or wants all memory, ends with it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { TailraceError } from '../../lib/errors.ts';
import type { Candidate, TrialOrder } from './candidate.ts';
import type { FromTrial } from './trial-worker.ts';

/** For all of it. The shipped bundle takes 0.1 s, data for 10,000 users half a second, on a quiet machine. */
const TRIAL_MAX_MS = 15_000;
/** What JavaScript may take in that thread; WebAssembly's memory and the bundle's bytes have limits of their own. */
const HEAP_MB_MAX = 512;

/**
 * Tries a candidate. This thread is not held up by it.
 * @throws TailraceError with the code of `examineCandidate`, `policy_trial_timeout`, or `policy_memory`.
 */
export async function tryCandidate(
  order: TrialOrder,
  options: { readonly maxMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Candidate> {
  const { maxMs = TRIAL_MAX_MS, signal } = options;
  const worker = new Worker(builtFile(), {
    workerData: order,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    return await new Promise<Candidate>((resolve, reject) => {
      let doing = 'starting';
      worker.on('message', (message: FromTrial) => {
        if (message.kind === 'doing') doing = message.what;
        if (message.kind === 'passed') resolve(message.candidate);
        if (message.kind === 'refused') reject(new TailraceError(message.code, message.detail));
      });
      worker.once('error', (error) => reject(threadEnded(error, doing)));
      worker.once('exit', () => reject(threadEnded(undefined, doing)));
      timer = setTimeout(() => reject(timedOut(doing, maxMs)), maxMs);
      onAbort = () => reject(new TailraceError('policy_trial_ended', 'The trial was called off.'));
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    await worker.terminate();
  }
}

function timedOut(doing: string, maxMs: number): TailraceError {
  return new TailraceError(
    'policy_trial_timeout',
    `The policy bundle is refused: ${doing} had not ended after ${maxMs / 1_000} s of trial.`,
  );
}

function threadEnded(cause: Error | undefined, doing: string): TailraceError {
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new TailraceError(
      'policy_memory',
      `The policy bundle is refused: ${doing} takes more than ${HEAP_MB_MAX} MB of memory.`,
      { cause },
    );
  }
  return new TailraceError(
    'policy_bundle_invalid',
    `The policy bundle is refused: its trial failed while ${doing} (${cause?.message ?? 'no reason given'}).`,
    { cause },
  );
}

/** The thread's file as built JavaScript: beside this one when this is built itself, else in dist/. */
function builtFile(): URL {
  const beside = new URL('trial-worker.js', import.meta.url);
  const built = new URL('../../dist/policies/bundles/trial-worker.js', import.meta.url);
  const file = import.meta.url.endsWith('.ts') ? built : beside;
  if (!existsSync(fileURLToPath(file))) {
    throw new TailraceError('not_built', `${fileURLToPath(file)} is missing: run "npm run build".`);
  }
  return file;
}
