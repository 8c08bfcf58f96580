// A device that speaks bytes, for what no client library sends: MQTT 3.1.1 packets of which each is shorter than 16 KB.
import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawDevice {
  write(...packets: Uint8Array[]): void;
  /** Everything that has come. */
  received(): string;
  readonly closed: Promise<unknown>;
  destroy(): void;
}

function packet(head: number, body: Uint8Array): Buffer {
  const { length } = body;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.from([head, ...size]), body]);
}

export function publishPacket(options: {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1 | 2;
  readonly messageId: number;
  readonly dup?: boolean;
}): Buffer {
  const { qos, messageId, dup = false } = options;
  const topic = Buffer.from(options.topic);
  const body = Buffer.concat([
    Buffer.from([topic.length >> 8, topic.length & 255]),
    topic,
    Buffer.from([messageId >> 8, messageId & 255]),
    Buffer.from(options.payload),
  ]);
  return packet(0x30 | (qos << 1) | (dup ? 8 : 0), body);
}

export const pubrel = (messageId: number) =>
  Buffer.from([0x62, 2, messageId >> 8, messageId & 255]);

/** Connects under the id `a`. */
export async function connectRawDevice(port: number, clean = true): Promise<RawDevice> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  const name = [0, 4, 0x4d, 0x51, 0x54, 0x54, 4];
  socket.write(packet(0x10, Buffer.from([...name, clean ? 2 : 0, 0, 60, 0, 1, 0x61])));
  await once(socket, 'data');
  chunks.length = 0;
  return {
    write(...packets) {
      for (const one of packets) socket.write(one);
    },
    received: () => Buffer.concat(chunks).toString('hex'),
    closed,
    destroy: () => socket.destroy(),
  };
}
