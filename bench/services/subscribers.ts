// The parent's side of the process that holds subscribers.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Part } from '../../lib/lifecycle.ts';
import type { SubscribersAnswer, SubscribersRequest } from '../subscribers.ts';

export interface Subscribers extends Part {
  /**
   * Opens them; resolves when all are subscribed, with the way to wait until the server closed the last: it gives when
   * the last bytes came to any, in ms since 1970.
   */
  open(request: SubscribersRequest): Promise<{ over(): Promise<number> }>;
}

/** Longer than any round takes, also on a busy machine: a connection that is never closed is a fault to be told. */
const ANSWER_MAX_MS = 60_000;

/** Starts the process. */
export function startSubscribers(): Subscribers {
  const file = fileURLToPath(new URL('../subscribers.js', import.meta.url));
  const child = fork(file, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  const died = ended.then(([status]) => {
    throw new Error(`the subscribers ended (${status})`);
  });
  died.catch(() => undefined);

  async function answer(): Promise<SubscribersAnswer> {
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const heard = once(child, 'message', { signal });
    const [said] = (await Promise.race([heard, died])) as [SubscribersAnswer];
    return said;
  }

  return {
    name: 'bench subscribers',
    async open(request) {
      const opened = answer();
      child.send(request);
      await opened;
      const over = answer();
      over.catch(() => undefined);
      return {
        async over() {
          const said = await over;
          if (said.kind !== 'over') throw new Error('the subscribers are not over');
          return said.lastMs;
        },
      };
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
