// The publishing device of ingest cases, a process of its own: packets are encoded before the clock starts, and then
// written as fast as the broker takes them, at QoS 1 (MQTT 3.1.1). With a client library in its place the publisher
// would be what is measured: MQTT.js encodes and tracks fewer messages a second than tailrace receives.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from './clock.ts';
import { messageOf, type Workload } from './workload.ts';

/** What the parent says. `prepare` is answered by `prepared`, `publish` by `published` after the last PUBACK. */
export type PublisherRequest =
  | { readonly kind: 'prepare'; readonly workload: Workload; readonly root: string }
  /** As fast as the broker takes it, or `messagesPerS` evenly. */
  | { readonly kind: 'publish'; readonly messagesPerS?: number };
export type PublisherAnswer =
  | { readonly kind: 'connected' | 'prepared' }
  /** When each message was written, in ms since 1970; only of those that were paced. */
  | { readonly kind: 'published'; readonly sentMs: readonly number[] };

/** Packet identifiers are 16 bits and start at 1; none is used again while this many may be in flight. */
const PACKET_ID_MAX = 65_535;
const IN_FLIGHT_MAX = 30_000;
const CHUNK_BYTES = 64 * 1024;
const PUBACK_BYTES = 4;

/** How often a paced publisher writes. */
const TICK_MS = 5;

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

function encodePublish(topic: string, payload: Buffer, packetId: number): Buffer {
  const id = Buffer.alloc(2);
  id.writeUInt16BE(packetId);
  return encodePacket(0x32, encodeText(topic), id, payload);
}

/** All packets of a workload. */
function encodeWorkload(workload: Workload, root: string): Buffer[] {
  return Array.from({ length: workload.messages }, (_, message) => {
    const { topic, payload } = messageOf(workload, message);
    return encodePublish(`${root}/${topic}`, payload, (message % PACKET_ID_MAX) + 1);
  });
}

/** A connection as it is used here: how many messages it has acknowledged, and the way to wait for more. */
interface Connection {
  readonly socket: Socket;
  acknowledged(): number;
}

/** Writes a run of packets as soon as there is room for them in the window. */
async function write(connection: Connection, packets: readonly Buffer[], inFlight: () => number) {
  while (inFlight() > IN_FLIGHT_MAX) await once(connection.socket, 'data');
  if (!connection.socket.write(Buffer.concat(packets))) await once(connection.socket, 'drain');
}

/** Writes everything, 64 KB at a time or as many as are due, and resolves after the last PUBACK. */
async function publish(
  connection: Connection,
  packets: readonly Buffer[],
  messagesPerS: number | undefined,
): Promise<number[]> {
  const before = connection.acknowledged();
  const startMs = performance.now();
  const sentMs: number[] = [];
  let sent = 0;
  const inFlight = () => sent - (connection.acknowledged() - before);
  while (sent < packets.length) {
    let end = sent;
    if (messagesPerS === undefined) {
      for (let bytes = 0; end < packets.length && bytes < CHUNK_BYTES; end++) {
        bytes += (packets[end] as Buffer).length;
      }
    } else {
      const due = Math.ceil(((performance.now() - startMs) * messagesPerS) / 1000);
      end = Math.min(packets.length, due);
      if (end === sent) {
        await sleep(TICK_MS);
        continue;
      }
      const atMs = nowMs();
      for (let message = sent; message < end; message++) sentMs.push(atMs);
    }
    await write(connection, packets.slice(sent, end), inFlight);
    sent = end;
  }
  while (inFlight() > 0) await once(connection.socket, 'data');
  return sentMs;
}

function answer(said: PublisherAnswer): void {
  // A parent that has gone is told nothing.
  if (process.connected) process.send?.(said);
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
  const connection = { socket, acknowledged };
  let packets: Buffer[] = [];
  process.on('message', (request: PublisherRequest) => {
    if (request.kind === 'prepare') {
      packets = encodeWorkload(request.workload, request.root);
      answer({ kind: 'prepared' });
    } else {
      const published = publish(connection, packets, request.messagesPerS);
      published.then((sentMs) => answer({ kind: 'published', sentMs }), fail);
    }
  });
  process.once('disconnect', () => socket.destroy());
  answer({ kind: 'connected' });
}

function fail(error: unknown): never {
  process.stderr.write(`bench publisher: ${String(error)}\n`);
  process.exit(1);
}

main(Number(process.argv[2])).catch(fail);
