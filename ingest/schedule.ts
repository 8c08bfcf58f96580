// Sends batches on their way when the flush rule says so: at once where it can be told from what is there, else by the
// clock.
import type { Clock } from '../lib/clock.ts';
import type { Filling } from './filling.ts';
import { type FlushLimits, isDue, isWindow, type LastSizes, mayGo } from './flush-rule.ts';
import type { Traffic } from './traffic.ts';

export interface Schedule {
  /** Notes an arrival. */
  arrived(): void;
  /** Sends what can be told to be due now. To be called after whatever may have changed that. */
  consider(): void;
  /** Waits for nothing more from now on. */
  hurry(): void;
  stop(): void;
}

export interface ScheduleOptions {
  readonly filling: Filling;
  readonly traffic: Traffic;
  readonly limits: FlushLimits;
  readonly clock: Clock;
  /** Sends the batch that is filling; another is filling afterwards. */
  send(): void;
}

export function createSchedule(options: ScheduleOptions): Schedule {
  const { filling, traffic, limits, clock, send } = options;
  let timer: NodeJS.Timeout | undefined;
  let arrivals = 0;
  let arrivalsBefore = 0;
  let lastSizes: LastSizes = [0, 0];
  let hurried = false;

  function go(): void {
    clearTimeout(timer);
    timer = undefined;
    lastSizes = [filling.batch.messages.length, lastSizes[0]];
    send();
    // What waited may have filled the next one already.
    consider();
  }

  /** As it is when the batch before took long: the timer, late on a busy machine, need not be waited for. */
  const isOld = () => clock() - filling.openedMs >= limits.ageMaxMs;

  function consider(): void {
    const { length: messages } = filling.batch.messages;
    if (messages === 0 || traffic.ended || !mayGo(traffic, filling, limits)) return;
    if (filling.full || hurried || isWindow(messages, lastSizes) || isOld()) {
      go();
    } else if (timer === undefined) {
      arrivalsBefore = arrivals;
      timer = setTimeout(tick, limits.quietMs);
    }
  }

  function tick(): void {
    timer = undefined;
    if (filling.batch.messages.length === 0 || traffic.ended) return;
    if (!mayGo(traffic, filling, limits)) return;
    const ageMs = clock() - filling.openedMs;
    if (isDue({ ageMs, arrivals, arrivalsBefore }, limits)) go();
    else consider();
  }

  return {
    arrived() {
      arrivals++;
    },
    consider,
    hurry() {
      hurried = true;
      consider();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
