// The parent's side of an ingesting process.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Part } from '../../lib/lifecycle.ts';
import type {
  Account,
  IngesterAnswer,
  IngesterRequest,
  IngesterSettings,
  Progress,
} from '../ingester.ts';

export interface Ingester extends Part {
  /** Forgets what it has acknowledged so far. */
  begin(): Promise<void>;
  progress(): Promise<Progress>;
  /** When it acknowledged each message since `begin`, in ms since 1970, in the order of receipt. */
  times(): Promise<readonly number[]>;
  account(): Promise<Account>;
}

/** Starts the process; resolves when it is subscribed. */
export async function startIngester(settings: IngesterSettings): Promise<Ingester> {
  const file = fileURLToPath(new URL('../ingester.js', import.meta.url));
  const child = fork(file, [JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const died = ended.then(([status]) => {
    throw new Error(`an ingester ended (${status}) instead of answering`);
  });
  died.catch(() => undefined);

  /** The next answer of a kind; others are somebody else's. */
  function heard<K extends IngesterAnswer['kind']>(kind: K) {
    const said = new Promise<Extract<IngesterAnswer, { kind: K }>>((resolve) => {
      const listen = (answer: IngesterAnswer): void => {
        if (answer.kind !== kind) return;
        child.off('message', listen);
        resolve(answer as Extract<IngesterAnswer, { kind: K }>);
      };
      child.on('message', listen);
    });
    return Promise.race([said, died]);
  }

  function ask<K extends IngesterRequest['kind']>(kind: K) {
    const answer = heard(kind);
    child.send({ kind } satisfies IngesterRequest);
    return answer;
  }

  await heard('subscribed');
  return {
    name: 'bench ingester',
    async begin() {
      await ask('begin');
    },
    progress: async () => (await ask('progress')).progress,
    times: async () => (await ask('times')).times,
    account: async () => (await ask('account')).account,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
