// Waiting for a peer that may never answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { TailraceError } from '../errors.ts';

/** Waits, or ends at once where all is to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/**
 * What `work` gives; rejects where that takes longer than so many ms, after `onLate`. What comes of it then is heard by
 * nobody.
 * @throws TailraceError `no_answer`.
 */
export async function within<T>(work: Promise<T>, ms: number, onLate = () => {}): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onLate();
      reject(new TailraceError('no_answer', `no answer for ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
