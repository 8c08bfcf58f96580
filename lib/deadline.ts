// Waiting for a peer that may never answer.
import { TailraceError } from './errors.ts';

/**
 * What `work` gives; rejects where that takes longer than so many ms, after `onLate`. What comes of it then is heard by
 * nobody.
 * @throws TailraceError `no_answer`.
 */
export async function within<T>(work: Promise<T>, ms: number, onLate = () => {}): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => {
      if (isOver) return;
      onLate();
      reject(new TailraceError('no_answer', `no answer for ${ms} ms`));
    };
    // A process that was busy for so long reads first what has come in meanwhile.
    timer = setTimeout(() => setImmediate(giveUp), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}
