// How much of what was received may be unsettled at a time, and who waits while it is too much.
import type { Metrics } from '../metrics.ts';

export interface Pace {
  /** Notes a message of so many bytes as under way. */
  begin(bytes: number): void;
  /** Notes it as through: once for each `begin`. */
  settle(bytes: number): void;
  /** Whether nothing more should be read now. */
  readonly full: boolean;
  /** Calls `resume` as soon as there is room again: at once where there is. */
  whenRoomy(resume: () => void): void;
  /** Resolves when nothing is under way, or after `timeoutMs`; says whether nothing is. */
  drained(timeoutMs: number): Promise<boolean>;
}

export interface PaceOptions {
  readonly metrics: Metrics;
  /** The metric's name, e.g. `mqtt_unacknowledged`: messages as they are, bytes with `_bytes`. */
  readonly what: string;
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** Makes a pace that is full at either maximum and roomy again below it. */
export function createPace({ metrics, what, messagesMax, bytesMax }: PaceOptions): Pace {
  let messages = 0;
  let bytes = 0;
  let resumes: (() => void)[] = [];
  let emptied: (() => void)[] = [];
  metrics.bounded(what, () => messages, messagesMax);
  metrics.bounded(`${what}_bytes`, () => bytes, bytesMax);

  const isFull = () => messages >= messagesMax || bytes >= bytesMax;

  function settle(settledBytes: number): void {
    messages--;
    bytes -= settledBytes;
    if (resumes.length > 0 && !isFull()) {
      const waiting = resumes;
      resumes = [];
      for (const resume of waiting) resume();
    }
    if (messages === 0 && emptied.length > 0) {
      const waiting = emptied;
      emptied = [];
      for (const tell of waiting) tell();
    }
  }

  return {
    begin(messageBytes) {
      messages++;
      bytes += messageBytes;
    },
    settle,
    get full() {
      return isFull();
    },
    whenRoomy(resume) {
      if (isFull()) resumes.push(resume);
      else resume();
    },
    drained(timeoutMs) {
      if (messages === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), timeoutMs);
        emptied.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
  };
}
