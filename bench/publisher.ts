// The publishing device of ingest cases, a process of its own: packets are encoded before the clock starts, and then
// written as fast as the broker takes them, at QoS 1 (MQTT 3.1.1). With a client library in its place the publisher
// would be what is measured: MQTT.js encodes and tracks fewer messages a second than tailrace receives.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { messageOf, type Workload } from './workload.ts';

/** What the parent says. `prepare` is answered by `prepared`, `publish` by `published` after the last PUBACK. */
export type PublisherRequest =
  | { readonly kind: 'prepare'; readonly workload: Workload; readonly root: string }
  | { readonly kind: 'publish' };
export interface PublisherAnswer {
  readonly kind: 'connected' | 'prepared' | 'published';
}

/** Packet identifiers are 16 bits and start at 1; none is used again while this many may be in flight. */
const PACKET_ID_MAX = 65_535;
const IN_FLIGHT_MAX = 30_000;
const CHUNK_BYTES = 64 * 1024;
const PUBACK_BYTES = 4;

interface Chunk {
  readonly bytes: Buffer;
  readonly packets: number;
}

/** Remaining Length: seven bits a byte, the lowest first (clause 2.2.3). */
function encodeLength(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function encodeText(text: string): Buffer {
  const body = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([length, body]);
}

function encodePacket(firstByte: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte]), encodeLength(body.length), body]);
}

/** CONNECT with a clean session and no keep-alive. */
function encodeConnect(clientId: string): Buffer {
  const level4CleanSession = Buffer.from([4, 2, 0, 0]);
  return encodePacket(0x10, encodeText('MQTT'), level4CleanSession, encodeText(clientId));
}

function encodePublish(topic: string, payload: string, packetId: number): Buffer {
  const id = Buffer.alloc(2);
  id.writeUInt16BE(packetId);
  return encodePacket(0x32, encodeText(topic), id, Buffer.from(payload));
}

/** All packets of a workload, joined to what one write takes. */
function encodeWorkload(workload: Workload, root: string): Chunk[] {
  const chunks: Chunk[] = [];
  let parts: Buffer[] = [];
  let bytes = 0;
  for (let message = 0; message < workload.messages; message++) {
    const { topic, payload } = messageOf(workload, message);
    const packet = encodePublish(`${root}/${topic}`, payload, (message % PACKET_ID_MAX) + 1);
    parts.push(packet);
    bytes += packet.length;
    if (bytes < CHUNK_BYTES && message + 1 < workload.messages) continue;
    chunks.push({ bytes: Buffer.concat(parts), packets: parts.length });
    parts = [];
    bytes = 0;
  }
  return chunks;
}

/** Writes everything and resolves after the last PUBACK; `acknowledged` counts them since the connection began. */
async function publish(socket: Socket, chunks: readonly Chunk[], acknowledged: () => number) {
  const before = acknowledged();
  let sent = 0;
  for (const chunk of chunks) {
    while (sent - (acknowledged() - before) > IN_FLIGHT_MAX) await once(socket, 'data');
    if (!socket.write(chunk.bytes)) await once(socket, 'drain');
    sent += chunk.packets;
  }
  while (acknowledged() - before < sent) await once(socket, 'data');
}

function answer(kind: PublisherAnswer['kind']): void {
  // A parent that has gone is told nothing.
  if (process.connected) process.send?.({ kind } satisfies PublisherAnswer);
}

/** Connects to a broker of this machine, then does what the parent asks until the parent goes. */
async function main(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let received = 0;
  socket.on('data', (data) => {
    received += data.length;
  });
  await once(socket, 'connect');
  socket.write(encodeConnect(`bench-publisher-${process.pid}`));
  // CONNACK has as many bytes as a PUBACK; nothing else comes to a client that subscribes to nothing.
  while (received < PUBACK_BYTES) await once(socket, 'data');
  const acknowledged = (): number => Math.floor(received / PUBACK_BYTES) - 1;
  let chunks: Chunk[] = [];
  process.on('message', (request: PublisherRequest) => {
    if (request.kind === 'prepare') {
      chunks = encodeWorkload(request.workload, request.root);
      answer('prepared');
    } else {
      publish(socket, chunks, acknowledged).then(() => answer('published'), fail);
    }
  });
  process.once('disconnect', () => socket.destroy());
  answer('connected');
}

function fail(error: unknown): never {
  process.stderr.write(`bench publisher: ${String(error)}\n`);
  process.exit(1);
}

main(Number(process.argv[2])).catch(fail);
