// The parent's side of the publishing process.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Part } from '../../lib/lifecycle.ts';
import type { PublisherAnswer, PublisherRequest } from '../publisher.ts';
import type { Workload } from '../workload.ts';

export interface Publisher extends Part {
  /** Has the workload's packets encoded, with topics below `root`. */
  prepare(workload: Workload, root: string): Promise<void>;
  /**
   * Publishes what was prepared last, as fast as the broker takes it or evenly; resolves when the broker has
   * acknowledged all of it. Gives when each message was written, in ms since 1970, where they were paced.
   */
  publish(messagesPerS?: number): Promise<readonly number[]>;
}

/** Starts the process and connects it to the broker at a port of this machine. */
export async function startPublisher(port: number): Promise<Publisher> {
  const file = fileURLToPath(new URL('../publisher.js', import.meta.url));
  const child = fork(file, [String(port)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');

  async function expect(kind: PublisherAnswer['kind']): Promise<PublisherAnswer> {
    const died = ended.then(([status]) => {
      throw new Error(`the publisher ended (${status}) instead of answering`);
    });
    const [answer] = (await Promise.race([once(child, 'message'), died])) as [PublisherAnswer];
    if (answer.kind !== kind) throw new Error(`the publisher answered ${answer.kind}, not ${kind}`);
    return answer;
  }

  function ask(request: PublisherRequest, kind: PublisherAnswer['kind']): Promise<PublisherAnswer> {
    const answered = expect(kind);
    child.send(request);
    return answered;
  }

  await expect('connected');
  return {
    name: 'bench publisher',
    async prepare(workload, root) {
      await ask({ kind: 'prepare', workload, root }, 'prepared');
    },
    async publish(messagesPerS) {
      const pace = messagesPerS === undefined ? {} : { messagesPerS };
      const said = await ask({ kind: 'publish', ...pace }, 'published');
      return said.kind === 'published' ? said.sentMs : [];
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
