// The subscribers of policy cases, a process of its own: thousands of WebSockets that follow one series, or as many bare
// connections, on sockets that do no more than count frames.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { nowMs } from './clock.ts';
import { frameOf, upgrade } from './raw-websocket.ts';

/** What the parent says. `open` is answered by `opened`, and by `over` when the server has closed every one. */
export interface SubscribersRequest {
  readonly count: number;
  readonly port: number;
  /** One of this machine's, so that closed connections of an earlier round do not use up the ports of this one. */
  readonly localAddress: string;
  /** Without it nothing is said: the connections are bare. */
  readonly tail?: { readonly token: string; readonly match: string };
}
export type SubscribersAnswer =
  | { readonly kind: 'opened' }
  /** When the last bytes came, in ms since 1970, and how many chunks came in all. */
  | { readonly kind: 'over'; readonly lastMs: number; readonly chunks: number };

/** Connections that are being made at one time. */
const CONNECTING_MAX = 100;

function say(answer: SubscribersAnswer): void {
  process.send?.(answer);
}

/** Opens one connection; resolves when it is subscribed. */
async function open(request: SubscribersRequest, onData: () => void): Promise<Socket> {
  const { port, localAddress, tail } = request;
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (tail !== undefined) {
    await upgrade(socket, tail.token);
    const { match } = tail;
    socket.write(frameOf(JSON.stringify({ type: 'subscribe', id: 's', match })));
    const [frame] = (await once(socket, 'data')) as [Buffer];
    if (!frame.includes('"subscribed"')) throw new Error(frame.toString());
  }
  socket.on('data', onData);
  return socket;
}

async function run(request: SubscribersRequest): Promise<void> {
  let lastMs = 0;
  let chunks = 0;
  const onData = (): void => {
    lastMs = nowMs();
    chunks += 1;
  };
  const closed: Promise<unknown>[] = [];
  let left = request.count;
  const openSome = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const socket = await open(request, onData);
      closed.push(socket.closed ? Promise.resolve() : once(socket, 'close'));
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_MAX }, openSome));
  say({ kind: 'opened' });
  await Promise.all(closed);
  say({ kind: 'over', lastMs, chunks });
}

process.on('message', (request: SubscribersRequest) => {
  run(request).catch((cause: unknown) => {
    process.stderr.write(`subscribers: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
    process.exit(1);
  });
});
process.once('disconnect', () => process.exit(0));
