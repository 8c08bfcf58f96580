// Ends what a server runs for a connection: the wire protocol's CancelRequest, which comes on a connection of its own. The
// driver's own cancel can be asked once a query, and skips over queries that are sent and not begun; a request may also
// come too early, between two statements, so that it has to be made again.
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** Names a connection's backend, and proves that one may cancel it; the server gives it at the start. */
export interface BackendKey {
  readonly pid: number;
  readonly secret: number;
}

/** Where the server is. */
export interface CancelTarget {
  readonly host: string;
  readonly port: number;
  /** A Unix socket, instead of host and port. */
  readonly path?: string | undefined;
  readonly ssl: ConnectionOptions | false;
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const CANCEL_CODE = 80_877_102;
/** A server that does not even take the request would keep it for ever. */
const TIMEOUT_MS = 5_000;

/**
 * Asks the server to cancel what the backend runs now; resolves when it has passed that on, done or not. What the
 * backend runs later is safe from it.
 */
export async function requestCancel(target: CancelTarget, key: BackendKey): Promise<void> {
  const { host, port, path } = target;
  const plain = path === undefined ? connect(port, host) : connect(path);
  // Later errors than the one that is waited for have nobody else to hear them.
  plain.on('error', () => undefined);
  const timer = setTimeout(() => plain.destroy(new Error('no answer to a cancel')), TIMEOUT_MS);
  try {
    await event(plain, 'connect');
    const socket = target.ssl === false ? plain : await secure(plain, host, target.ssl);
    const closed = event(socket, 'close');
    socket.resume();
    socket.write(cancelRequest(key));
    await closed;
  } finally {
    clearTimeout(timer);
    plain.destroy();
  }
}

function cancelRequest({ pid, secret }: BackendKey): Buffer {
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_CODE, 4);
  request.writeUInt32BE(pid, 8);
  request.writeUInt32BE(secret, 12);
  return request;
}

async function secure(plain: Socket, host: string, ssl: ConnectionOptions): Promise<Socket> {
  const answered = event(plain, 'data');
  plain.write(SSL_REQUEST);
  const [answer] = await answered;
  plain.pause();
  if (!(answer instanceof Buffer) || answer[0] !== 0x53) throw new Error('the server has no TLS');
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ ...name, ...ssl, socket: plain });
  socket.on('error', () => undefined);
  await event(socket, 'secureConnect');
  return socket;
}

/** What the event brings. An error of the socket is one of the wait. */
function event(socket: Socket, name: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    socket.once(name, (...values: unknown[]) => resolve(values));
    socket.once('error', reject);
  });
}
