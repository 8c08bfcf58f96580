// When a source is looked at: again and again, one look at a time, at once where somebody asks or the source hints.
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { BundleSource } from './source.ts';

export interface Rounds {
  start(): void;
  /** A look that begins after this call. Resolves when it is over, also where it failed; never rejects. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

/** What else has to happen as time goes by is looked at this often. */
const TICK_MS = 1_000;

export function createRounds(options: {
  readonly source: BundleSource;
  /** Looks once. Has said what is wrong where it throws. */
  readonly look: (signal: AbortSignal, mayWait: boolean) => Promise<void>;
  readonly tick: () => void;
  readonly log: Log;
}): Rounds {
  const { source, look, tick, log } = options;
  let wake: (() => void) | undefined;
  let looking: { readonly controller: AbortController; readonly mayWait: boolean } | undefined;
  let asked: (() => void)[] = [];
  let hinted = false;
  let stopped = false;
  let running: Promise<void> | undefined;
  let unwatch: (() => void) | undefined;
  let ticker: NodeJS.Timeout | undefined;

  function hurry(): void {
    hinted = true;
    wake?.();
    if (looking?.mayWait === true || stopped) looking?.controller.abort();
  }

  /** Nothing may be thrown out of a timer: it would end the process. */
  function tickOnce(): void {
    try {
      tick();
    } catch (cause) {
      log.error({ err: cause }, 'the age of the policy could not be looked at');
    }
  }

  async function pause(ms: number): Promise<void> {
    if (hinted || stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wake = undefined;
  }

  /** Whether it went well. A look that was called off to look again has not failed. */
  async function lookOnce(): Promise<boolean> {
    const served = asked;
    asked = [];
    const mayWait = !hinted;
    hinted = false;
    const controller = new AbortController();
    looking = { controller, mayWait };
    try {
      await look(controller.signal, mayWait);
      return true;
    } catch (thrown) {
      log.debug({ fault: messageOf(thrown) }, 'a look at the source of the policy failed');
      return controller.signal.aborted;
    } finally {
      looking = undefined;
      for (const resolve of served) resolve();
    }
  }

  async function run(): Promise<void> {
    for (let failures = 0; ; ) {
      await pause(source.pauseMs(failures));
      if (stopped) break;
      failures = (await lookOnce()) ? 0 : failures + 1;
    }
    for (const resolve of asked) resolve();
  }

  return {
    start() {
      if (running !== undefined || stopped) return;
      unwatch = source.watch(hurry);
      ticker = setInterval(tickOnce, TICK_MS);
      ticker.unref();
      running = run();
    },
    check() {
      if (running === undefined || stopped) return Promise.resolve();
      return new Promise((resolve) => {
        asked.push(resolve);
        hurry();
      });
    },
    async stop() {
      stopped = true;
      unwatch?.();
      clearInterval(ticker);
      hurry();
      await running;
    },
  };
}
