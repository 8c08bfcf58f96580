// Starting and stopping: parts stop in the reverse of the order in which they were started.
import type { Log } from './log.ts';

/** Something that was started. `stop` drains, and may be called more than once. */
export interface Part {
  readonly name: string;
  stop(): Promise<void>;
}

export interface Lifecycle {
  /** Takes a started part under its care and gives it back. */
  add<P extends Part>(part: P): P;
  /** Stops every part, the newest first; a second call waits for the first. */
  stop(): Promise<void>;
}

/** Makes an empty lifecycle. A part that fails to stop is logged and does not keep the others running. */
export function createLifecycle(log: Log): Lifecycle {
  const parts: Part[] = [];
  let stopping: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      try {
        await part.stop();
      } catch (cause) {
        log.error({ err: cause, part: part.name }, 'a part failed to stop');
      }
    }
  }

  return {
    add(part) {
      parts.push(part);
      return part;
    },
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
  };
}
