// A device on a bad line, for tests that kill what it talks to: it publishes 0, 1, 2, … at QoS 1 with a wide window, and
// after a reconnection sends again, at once and flagged DUP, whatever is not acknowledged. (MQTT.js sends that one by
// one, each when the one before is acknowledged.)
import { connect, type Socket } from 'node:net';

export interface Device {
  /** Numbers that were acknowledged. */
  readonly acknowledged: ReadonlySet<number>;
  /** How many were published: all numbers below. */
  sent(): number;
  /** How many it may publish. */
  allowed(): number;
  /** Lets it publish so many more. */
  allow(messages: number): void;
  /** Publishes all of it once more, as new messages, as who does not trust the broker's memory; forgets what was
   * acknowledged. */
  sendAgain(): void;
  close(): void;
}

export interface DeviceOptions {
  readonly port: number;
  /** The topic and the payload of a number. */
  message(number: number): { readonly topic: string; readonly payload: string };
}

const WINDOW = 2_000;
const RECONNECT_MS = 50;
const CONNACK = 0x20;
const PUBACK = 0x40;
const DUP = 0x08;

/** CONNECT of MQTT 3.1.1, with a session that lasts, and without keepalive. */
function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  return Buffer.concat([
    Buffer.from([0x10, 12 + id.length, 0, 4, ...Buffer.from('MQTT'), 4, 0, 0, 0, 0, id.length]),
    id,
  ]);
}

/** PUBLISH at QoS 1; the packet is shorter than 16 KB. */
function publishPacket(messageId: number, topic: string, payload: string, dup: boolean): Buffer {
  const name = Buffer.from(topic);
  const bytes = Buffer.from(payload);
  const length = 4 + name.length + bytes.length;
  return Buffer.concat([
    Buffer.from([0x32 | (dup ? DUP : 0), (length & 127) | 128, length >> 7, 0, name.length]),
    name,
    Buffer.from([messageId >> 8, messageId & 255]),
    bytes,
  ]);
}

/** Starts it; it connects, again and again, until it is closed. */
export function startDevice({ port, message }: DeviceOptions): Device {
  const acknowledged = new Set<number>();
  /** Numbers without acknowledgement by packet identifier, in the order of sending. */
  const open = new Map<number, number>();
  let sent = 0;
  let allowed = 0;
  let session: Socket | undefined;
  let closed = false;

  function send(socket: Socket, messageId: number, number: number, dup: boolean): void {
    const { topic, payload } = message(number);
    socket.write(publishPacket(messageId, topic, payload, dup));
  }

  function publishMore(): void {
    if (session === undefined) return;
    session.cork();
    while (sent < allowed && open.size < WINDOW) {
      const number = sent++;
      const messageId = (number % 65_535) + 1;
      open.set(messageId, number);
      send(session, messageId, number, false);
    }
    session.uncork();
  }

  function takePackets(socket: Socket, bytes: Buffer): Buffer {
    let at = 0;
    for (; bytes.length - at >= 4; at += 4) {
      if (bytes[at] === CONNACK) {
        session = socket;
        for (const [messageId, number] of open) send(socket, messageId, number, true);
      } else if (bytes[at] === PUBACK) {
        const messageId = bytes.readUInt16BE(at + 2);
        const number = open.get(messageId);
        if (number !== undefined) acknowledged.add(number);
        open.delete(messageId);
      }
    }
    publishMore();
    return bytes.subarray(at);
  }

  function dial(): void {
    if (closed) return;
    let rest: Buffer = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('connect', () => socket.write(connectPacket('rig')));
    socket.on('data', (chunk: Buffer) => {
      rest = takePackets(socket, Buffer.concat([rest, chunk]));
    });
    socket.on('close', () => {
      session = undefined;
      setTimeout(dial, RECONNECT_MS);
    });
  }

  dial();
  return {
    acknowledged,
    sent: () => sent,
    allowed: () => allowed,
    allow(messages) {
      allowed += messages;
      publishMore();
    },
    sendAgain() {
      sent = 0;
      open.clear();
      acknowledged.clear();
      publishMore();
    },
    close() {
      closed = true;
      session?.destroy();
    },
  };
}
