// Where those wait who want to publish from within the process while the pipeline is full.
import type { Pace } from './pace.ts';

export interface WaitingRoom {
  /** Notes so many bytes as under way as soon as there is room, at once where there is. @throws the signal's reason. */
  enter(bytes: number, signal: AbortSignal): Promise<void>;
  /** Nobody is let in until the promise settles. */
  closeUntil(open: Promise<void>): void;
}

/** Makes a room. Who gives up waiting leaves nothing behind. */
export function createWaitingRoom(pace: Pick<Pace, 'begin' | 'full' | 'whenRoomy'>): WaitingRoom {
  const waiting = new Set<() => void>();
  let closed = 0;
  let isAsked = false;

  function wake(): void {
    isAsked = false;
    if (closed > 0) return;
    const woken = [...waiting];
    waiting.clear();
    for (const resolve of woken) resolve();
  }

  function ask(): void {
    if (isAsked || closed > 0) return;
    isAsked = true;
    pace.whenRoomy(wake);
  }

  function reopen(): void {
    closed--;
    if (closed === 0 && waiting.size > 0) ask();
  }

  return {
    async enter(bytes, signal) {
      // Those who are woken together may find it full again.
      while (pace.full || closed > 0) {
        signal.throwIfAborted();
        let leave = () => {};
        await new Promise<void>((resolve) => {
          leave = resolve;
          waiting.add(resolve);
          signal.addEventListener('abort', leave, { once: true });
          ask();
        });
        waiting.delete(leave);
        signal.removeEventListener('abort', leave);
      }
      signal.throwIfAborted();
      pace.begin(bytes);
    },
    closeUntil(open) {
      closed++;
      open.then(reopen, reopen);
    },
  };
}
