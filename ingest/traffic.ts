// What is under way: batches, bytes, and who waits until there are fewer.
import type { UnderWay } from './flush-rule.ts';

export interface Traffic extends UnderWay {
  /** Of everything that was received and is not acknowledged, roughly. */
  readonly bytes: number;
  /** Whether nothing more is taken. */
  readonly ended: boolean;
  begin(bytes: number): void;
  commit(): void;
  finish(bytes: number): void;
  /** Something to wait for before more is read; undefined where there is room. */
  room(): Promise<void> | undefined;
  /** Resolves when nothing is under way or collected any more, or all of it is given up. */
  drained(): Promise<void>;
  /** Ends all of it; says whether it had not ended before. */
  end(): boolean;
}

/** A promise with the way to fulfil it. */
function createGate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

/** Makes it; `collectedBytes` is what has not begun its way. */
export function createTraffic(bytesMax: number, collectedBytes: () => number): Traffic {
  let batches = 0;
  let uncommitted = 0;
  let underWayBytes = 0;
  let ended = false;
  let roomy: ReturnType<typeof createGate> | undefined;
  let idle: ReturnType<typeof createGate> | undefined;
  const bytes = () => underWayBytes + collectedBytes();
  const isIdle = () => ended || (batches === 0 && collectedBytes() === 0);

  return {
    get batches() {
      return batches;
    },
    get uncommitted() {
      return uncommitted;
    },
    get bytes() {
      return bytes();
    },
    get ended() {
      return ended;
    },
    begin(batchBytes) {
      batches++;
      uncommitted++;
      underWayBytes += batchBytes;
    },
    commit() {
      uncommitted--;
    },
    finish(batchBytes) {
      batches--;
      underWayBytes -= batchBytes;
      if (bytes() < bytesMax) {
        roomy?.open();
        roomy = undefined;
      }
      if (isIdle()) idle?.open();
    },
    room() {
      if (bytes() < bytesMax) return undefined;
      roomy ??= createGate();
      return roomy.passed;
    },
    drained() {
      if (isIdle()) return Promise.resolve();
      idle ??= createGate();
      return idle.passed;
    },
    end() {
      const first = !ended;
      ended = true;
      idle?.open();
      return first;
    },
  };
}
