// Looking again and again at what others may have changed, one look at a time.

export interface Looking {
  /** Ends it; resolves when the look that is under way has ended. */
  stop(): Promise<void>;
}

/** Calls `look` so often, unless the call before is still busy. It may not reject, and does not keep the process alive. */
export function lookNowAndThen(look: () => Promise<void>, everyMs: number): Looking {
  let busy: Promise<void> | undefined;
  const timer = setInterval(() => {
    busy ??= look().finally(() => {
      busy = undefined;
    });
  }, everyMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await busy;
    },
  };
}
