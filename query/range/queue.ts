// The line in front of the database: ranges are read a few at a time, and whose turn it is goes by who has had the least
// of it (start-time fair queueing, Goyal, Vin and Cheng 1996, with the time that readings took as their cost). Whoever
// asks for much waits for its own, others do not wait for it.
import { TailraceError } from '../../lib/errors.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../../lib/metrics.ts';

export interface ReadQueue {
  /**
   * Runs `work` when it is the subject's turn. What waits leaves the line when `signal` fires.
   *
   * @throws TailraceError `too_many_requests` where the subject has its share of the line waiting already, `overloaded`
   *   where the line is full; both say when to ask again. The signal's reason; whatever `work` throws.
   */
  run<T>(subject: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
}

export interface ReadQueueOptions {
  /** Readings at once. */
  readonly concurrency: number;
  /** Those that may wait, over all subjects. */
  readonly waitingMax?: number;
  /** Those of one subject. */
  readonly subjectWaitingMax?: number;
  readonly metrics: Metrics;
  /** Never goes back; ms since whenever. The process's own unless given. */
  readonly clock?: () => number;
}

const WAITING_MAX = 1_024;
const SUBJECT_WAITING_MAX = 256;
/** One subject has so much of the readings at once, so that another finds one free or nearly so. */
const SUBJECT_SHARE = 0.75;
const RETRY_AFTER_MAX_S = 60;
/** How much the newest reading counts in the moving mean of what one takes. */
const NEWEST_WEIGHT = 0.1;

interface Waiter {
  begin(): void;
}

/** Whoever waits or is being served. */
interface Subject {
  readonly waiting: Set<Waiter>;
  /** When each of its readings began. */
  readonly running: Set<{ readonly sinceMs: number }>;
  /** What it has had, in ms; it begins with as much as the one that has had the least. */
  hadMs: number;
}

function hadBy({ hadMs, running }: Subject, nowMs: number): number {
  let sumMs = hadMs;
  for (const { sinceMs } of running) sumMs += nowMs - sinceMs;
  return sumMs;
}

/** The subjects, as long as they have anything here; each may have `runningMax` readings at once. */
function createSubjects(runningMax: number, clock: () => number) {
  const subjects = new Map<string, Subject>();
  return {
    of(key: string): Subject {
      const known = subjects.get(key);
      if (known !== undefined) return known;
      const nowMs = clock();
      const hads = [...subjects.values()].map((one) => hadBy(one, nowMs));
      const subject: Subject = {
        waiting: new Set(),
        running: new Set(),
        hadMs: hads.length === 0 ? 0 : Math.min(...hads),
      };
      subjects.set(key, subject);
      return subject;
    },
    forgetIdle(key: string, { waiting, running }: Subject): void {
      if (waiting.size === 0 && running.size === 0) subjects.delete(key);
    },
    /** Of those that wait and may have more, the one that has had the least. */
    next(): Subject | undefined {
      const nowMs = clock();
      let best: Subject | undefined;
      for (const one of subjects.values()) {
        if (one.waiting.size === 0 || one.running.size >= runningMax) continue;
        if (best === undefined || hadBy(one, nowMs) < hadBy(best, nowMs)) best = one;
      }
      return best;
    },
  };
}

function refusal(code: string, ahead: number, what: string, eachMs: number): TailraceError {
  const waitS = Math.ceil((ahead * eachMs) / 1_000);
  const details = { retry_after_s: Math.min(RETRY_AFTER_MAX_S, Math.max(1, waitS)) };
  return new TailraceError(code, `${ahead} ${what} wait to be read already.`, { details });
}

/** Makes an empty line. */
export function createReadQueue(options: ReadQueueOptions): ReadQueue {
  const { concurrency, metrics, clock = () => performance.now() } = options;
  const { waitingMax = WAITING_MAX, subjectWaitingMax = SUBJECT_WAITING_MAX } = options;
  const subjectRunningMax = Math.max(1, Math.floor(concurrency * SUBJECT_SHARE));
  const subjects = createSubjects(subjectRunningMax, clock);
  let waiting = 0;
  let running = 0;
  let usualMs = 0;
  metrics.bounded('range_queue', () => waiting, waitingMax);
  metrics.bounded('ranges_reading', () => running, concurrency);
  const waited = metrics.histogram(
    'tailrace_query_queue_seconds',
    'time that ranges waited for their turn to be read',
    DURATION_BUCKETS_S,
  );

  function advance(): void {
    while (running < concurrency) {
      const subject = subjects.next();
      const [waiter] = subject?.waiting ?? [];
      if (subject === undefined || waiter === undefined) return;
      subject.waiting.delete(waiter);
      waiting -= 1;
      waiter.begin();
    }
  }

  /** Throws where a subject may not even wait. */
  function checkRoom(key: string, subject: Subject): void {
    const own = subject.waiting.size;
    const isFree = running < concurrency && subject.running.size < subjectRunningMax;
    if (isFree && own === 0) return;
    subjects.forgetIdle(key, subject);
    const eachMs = usualMs / concurrency;
    if (own >= subjectWaitingMax) throw refusal('too_many_requests', own, 'of your ranges', eachMs);
    if (waiting >= waitingMax) throw refusal('overloaded', waiting, 'ranges', eachMs);
  }

  /** Takes a place; the function gives it back. */
  function hold(key: string, subject: Subject): () => void {
    const reading = { sinceMs: clock() };
    subject.running.add(reading);
    running += 1;
    return () => {
      const tookMs = clock() - reading.sinceMs;
      subject.running.delete(reading);
      subject.hadMs += tookMs;
      running -= 1;
      usualMs += NEWEST_WEIGHT * (tookMs - usualMs);
      subjects.forgetIdle(key, subject);
      advance();
    };
  }

  /** Resolves when a place is the subject's. */
  function enter(key: string, signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted();
    checkRoom(key, subjects.of(key));
    const subject = subjects.of(key);
    return new Promise((resolve, reject) => {
      const sinceMs = clock();
      const leave = () => {
        if (!subject.waiting.delete(waiter)) return;
        waiting -= 1;
        subjects.forgetIdle(key, subject);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        begin() {
          signal?.removeEventListener('abort', leave);
          waited.observe((clock() - sinceMs) / 1_000);
          resolve(hold(key, subject));
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      subject.waiting.add(waiter);
      waiting += 1;
      advance();
    });
  }

  return {
    async run(subject, signal, work) {
      const leave = await enter(subject, signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
