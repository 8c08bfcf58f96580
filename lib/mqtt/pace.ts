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
  const pace = createBounds({ messagesMax, bytesMax });
  metrics.bounded(what, () => pace.messages, messagesMax);
  metrics.bounded(`${what}_bytes`, () => pace.bytes, bytesMax);
  return pace;
}

type Bounds = Pick<PaceOptions, 'messagesMax' | 'bytesMax'>;

function createBounds({ messagesMax, bytesMax }: Bounds) {
  let messages = 0;
  let bytes = 0;
  let resumes: (() => void)[] = [];
  let emptied: (() => void)[] = [];

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
    get messages() {
      return messages;
    },
    get bytes() {
      return bytes;
    },
    begin(messageBytes: number) {
      messages++;
      bytes += messageBytes;
    },
    settle,
    get full() {
      return isFull();
    },
    whenRoomy(resume: () => void) {
      if (isFull()) resumes.push(resume);
      else resume();
    },
    drained(timeoutMs: number) {
      if (messages === 0) return Promise.resolve(true);
      return new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), timeoutMs);
        emptied.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
  };
}

/** The pace of one sender among several, who each may have a share of it. */
export type SenderPace = Pick<Pace, 'begin' | 'settle' | 'full' | 'whenRoomy'>;

export interface SharedPace {
  /** Of a sender. Not to be kept: who has nothing under way is forgotten. */
  of(sender: string): SenderPace;
}

/**
 * Shares a pace among senders: each is full at its own bounds too, so that one who floods waits alone while there is
 * room for the others. As many senders are known as have messages under way.
 */
export function sharePace(whole: Pace, bounds: Bounds): SharedPace {
  const shares = new Map<string, SenderPace>();

  function open(sender: string): SenderPace {
    const own = createBounds(bounds);
    return {
      begin(bytes) {
        if (own.messages === 0) shares.set(sender, this);
        own.begin(bytes);
        whole.begin(bytes);
      },
      settle(bytes) {
        whole.settle(bytes);
        own.settle(bytes);
        if (own.messages === 0) shares.delete(sender);
      },
      get full() {
        return own.full || whole.full;
      },
      whenRoomy: (resume) => own.whenRoomy(() => whole.whenRoomy(resume)),
    };
  }

  return { of: (sender) => shares.get(sender) ?? open(sender) };
}
