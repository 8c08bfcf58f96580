// A device that connects and says nothing more. When its broker closes the connection, its keepalive has passed one and
// a half times: what tests wait for where something else has to outlive a keepalive.
import { once } from 'node:events';
import { connect } from 'node:net';

/** Connects with MQTT 3.1.1; resolves with a promise of the end. */
export async function startSilentDevice(
  port: number,
  keepaliveS: number,
): Promise<{ readonly closed: Promise<unknown>; end(): void }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const name = Buffer.from('silent');
  const head = [0x10, 12 + name.length, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, keepaliveS];
  socket.write(Buffer.concat([Buffer.from([...head, 0, name.length]), name]));
  const closed = once(socket, 'close');
  await once(socket, 'data');
  return { closed, end: () => void socket.destroy() };
}
