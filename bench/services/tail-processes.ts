// The parent's side of the processes of the tail cases.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Part } from '../../lib/lifecycle.ts';
import type { Load } from '../tail/load.ts';
import type {
  OpenTails,
  Received,
  ServerAnswer,
  ServerRequest,
  ServerSettings,
  SubscriberAnswer,
  SubscriberRequest,
} from '../tail/messages.ts';

/** Longer than any step takes, also on a busy machine. */
const ANSWER_MAX_MS = 120_000;

/** A process that answers each request with one message; requests wait for one another. */
function startProcess<Request extends object, Answer extends { readonly kind: string }>(
  file: string,
  name: string,
) {
  const child = fork(fileURLToPath(new URL(`../tail/${file}`, import.meta.url)), [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--expose-gc'],
  });
  const ended = once(child, 'exit');
  const died = ended.then(([status]) => {
    throw new Error(`${name} ended (${status}) instead of answering`);
  });
  died.catch(() => undefined);
  return {
    async ask<K extends Answer['kind']>(kind: K, request: Request) {
      const heard = once(child, 'message', { signal: AbortSignal.timeout(ANSWER_MAX_MS) });
      child.send(request);
      const [answer] = (await Promise.race([heard, died])) as [Answer];
      if (answer.kind !== kind) throw new Error(`${name} answered ${answer.kind}, not ${kind}`);
      return answer as Extract<Answer, { readonly kind: K }>;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

export interface TailServer extends Part {
  readonly port: number;
  readonly token: string;
  /** Resolves when the last record is handed over. */
  load(load: Load): Promise<void>;
  /** CPU time of the process since its start, and what is resident; after a collection where wanted. */
  account(collected?: boolean): Promise<{ readonly cpuS: number; readonly rssBytes: number }>;
}

/** Starts a server; resolves when it listens. */
export async function startTailServer(settings: ServerSettings): Promise<TailServer> {
  const name = `tail server (${settings.kind})`;
  const child = startProcess<ServerRequest | ServerSettings, ServerAnswer>(
    'server-process.js',
    name,
  );
  const { port, token } = await child.ask('listening', settings);
  return {
    ...{ name, port, token },
    async load(load) {
      await child.ask('load', { kind: 'load', load });
    },
    account: (collected = false) => child.ask('account', { kind: 'account', collected }),
    stop: () => child.stop(),
  };
}

export interface TailSubscribers extends Part {
  /** Resolves when all are subscribed. */
  open(tails: OpenTails): Promise<void>;
  begin(): Promise<void>;
  received(): Promise<Received>;
  /** In ms, of the frames that were sampled since `begin`. */
  latencies(): Promise<readonly number[]>;
}

/** Starts a process that holds subscribers. */
export function startTailSubscribers(): TailSubscribers {
  const name = 'tail subscribers';
  const child = startProcess<SubscriberRequest, SubscriberAnswer>('subscriber-process.js', name);
  return {
    name,
    async open(tails) {
      await child.ask('open', { kind: 'open', tails });
    },
    async begin() {
      await child.ask('begin', { kind: 'begin' });
    },
    received: async () => (await child.ask('received', { kind: 'received' })).received,
    latencies: async () => (await child.ask('latencies', { kind: 'latencies' })).latenciesMs,
    stop: () => child.stop(),
  };
}
