// Waiting for the last of many events.

export interface Countdown {
  /** Notes an event. */
  count(): void;
  /** Resolves when so many were noted since the call; a call before that takes the place of the one before it. */
  next(count: number): Promise<void>;
}

export function createCountdown(): Countdown {
  let missing = 0;
  let done = (): void => {};
  return {
    count() {
      missing--;
      if (missing === 0) done();
    },
    next(count) {
      missing = count;
      return new Promise((resolve) => {
        done = resolve;
      });
    },
  };
}
