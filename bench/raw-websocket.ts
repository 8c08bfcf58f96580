// WebSockets of the bench's subscribers on bare sockets: a client library would be what is measured.
import { once } from 'node:events';
import type { Socket } from 'node:net';

/** A text frame as a client sends it, masked with zeros (RFC 6455, 5.2). */
export function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8(0x81, 0);
  header.writeUInt8(0x80 | 126, 1);
  header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

function handshakeOf(token: string): string {
  return [
    'GET /v1/tail HTTP/1.1',
    'Host: bench',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: tailrace.json',
    `Authorization: Bearer ${token}`,
    '\r\n',
  ].join('\r\n');
}

/** Upgrades a connection to a tail's WebSocket; resolves behind the answer's empty line. Throws what was answered else. */
export async function upgrade(socket: Socket, token: string): Promise<void> {
  socket.write(handshakeOf(token));
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  if (!head.startsWith('HTTP/1.1 101')) throw new Error(head);
}
