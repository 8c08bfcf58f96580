// Frames that came and were not asked for yet. A WebSocket cannot be told to wait, so there is a maximum, and beyond it
// the connection has to go until the reader has taken what waits.
import type { Frame } from './frames.ts';

export interface Arrived {
  readonly frame: Frame;
  /** Where to go on from once this frame is taken; undefined where there is nothing yet to go on from. */
  readonly cursor: string | undefined;
  /** Characters of its text. */
  readonly size: number;
}

export interface FrameQueue {
  put(arrived: Arrived): void;
  /** The next one; undefined at the end. One reader at a time. @throws what the queue was ended with. */
  take(): Promise<Arrived | undefined>;
  /** What waits is still handed on, then comes `error`, or the end without one. */
  end(error?: Error): void;
  /** Forgets what waits. */
  clear(): void;
  /** True from when too much waits until all of that is taken. */
  readonly isFull: boolean;
}

/** Makes a queue; `onEmpty` is called when it is full no more. */
export function createFrameQueue(charactersMax: number, onEmpty: () => void): FrameQueue {
  let waiting: Arrived[] = [];
  let taken = 0;
  let characters = 0;
  let isFull = false;
  let ended: { readonly error: Error | undefined } | undefined;
  let wake: (() => void) | undefined;

  function next(): Arrived | undefined {
    const arrived = waiting[taken];
    if (arrived === undefined) return undefined;
    taken += 1;
    characters -= arrived.size;
    if (taken === waiting.length) {
      waiting = [];
      taken = 0;
    }
    return arrived;
  }

  return {
    get isFull() {
      return isFull;
    },
    put(arrived) {
      if (ended !== undefined) return;
      waiting.push(arrived);
      characters += arrived.size;
      isFull ||= characters > charactersMax;
      wake?.();
    },
    async take() {
      for (;;) {
        const arrived = next();
        if (arrived !== undefined) return arrived;
        if (isFull) {
          isFull = false;
          onEmpty();
        }
        if (ended?.error !== undefined) throw ended.error;
        if (ended !== undefined) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    end(error) {
      ended ??= { error };
      wake?.();
    },
    clear() {
      waiting = [];
      taken = 0;
      characters = 0;
    },
  };
}
