// A stream between MQTT.js and its socket that decides when a message is acknowledged. MQTT.js writes a PUBACK as soon
// as its message was handed over, and reads nothing more until then, so waiting there for a COMMIT of 20 ms would mean
// 50 messages a second. Here its PUBACKs are taken out of what it writes, and written anew when their message is done.
import { Duplex } from 'node:stream';
import { createPacketScanner, PACKET_TYPE_PUBACK } from './packet-scanner.ts';

export interface HeldAcks {
  /** What MQTT.js is to use as its socket. */
  readonly stream: Duplex;
  /** Notes a QoS 1 message, in the order of receipt; gives its place in that order. */
  hold(messageId: number): number;
  /**
   * Acknowledges a message. PUBACKs leave in the order of receipt (MQTT 3.1.1 clause 4.6), each as soon as its message
   * and all before it are acknowledged. After the connection has closed nothing leaves any more: a broker uses packet
   * identifiers again.
   */
  release(place: number): void;
  /** Messages that are noted and not acknowledged yet. */
  heldCount(): number;
  /** Bytes received since the connection began: grows as long as the broker lives. */
  bytesReceived(): number;
}

/** A PUBACK without a reason code, which both versions read as success (MQTT 5 clause 3.4.2.1). */
function writePuback(target: Buffer, at: number, messageId: number): void {
  target[at] = PACKET_TYPE_PUBACK << 4;
  target[at + 1] = 2;
  target.writeUInt16BE(messageId, at + 2);
}

/** What is left of `chunk` without its PUBACKs. */
function withoutPubacks(scanner: ReturnType<typeof createPacketScanner>, chunk: Buffer): Buffer {
  const kept: Buffer[] = [];
  scanner.scan(chunk, (packetType, start, end) => {
    if (packetType !== PACKET_TYPE_PUBACK) kept.push(chunk.subarray(start, end));
  });
  if (kept.length === 1) return kept[0] as Buffer;
  return Buffer.concat(kept);
}

/** Puts a stream over `socket` (TCP, TLS or a WebSocket's stream) that holds acknowledgements. */
export function holdAcks(socket: Duplex): HeldAcks {
  const outgoing = createPacketScanner();
  const held = createHeldIds();
  let flushPlanned = false;
  let ending = false;
  let bytesReceived = 0;

  function writeOut(chunk: Buffer, done: (error?: Error | null) => void): void {
    const rest = withoutPubacks(outgoing, chunk);
    if (rest.length === 0) done();
    else socket.write(rest, done);
  }

  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => writeOut(chunk, done),
    writev: (parts, done) => writeOut(Buffer.concat(parts.map((part) => part.chunk)), done),
    final: (done) => {
      // What still comes is read and thrown away: closing a socket with unread bytes resets the connection, and a
      // reset may overtake the last acknowledgements.
      ending = true;
      socket.resume();
      socket.end(done);
    },
    destroy: (error, done) => {
      held.clear();
      socket.destroy();
      done(error);
    },
  });

  socket.on('data', (chunk: Buffer) => {
    bytesReceived += chunk.length;
    if (!ending && !stream.push(chunk)) socket.pause();
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.destroy());

  function flush(): void {
    flushPlanned = false;
    if (stream.destroyed || !socket.writable) return;
    const count = held.countDone();
    if (count === 0) return;
    const packets = Buffer.allocUnsafe(count * 4);
    for (let i = 0; i < count; i++) writePuback(packets, i * 4, held.take());
    socket.write(packets);
  }

  return {
    stream,
    hold: held.add,
    release(place) {
      if (stream.destroyed) return;
      held.finish(place);
      if (flushPlanned) return;
      // A batch acknowledges thousands at once: one write for all of them.
      flushPlanned = true;
      queueMicrotask(flush);
    },
    heldCount: () => held.count(),
    bytesReceived: () => bytesReceived,
  };
}

const FIRST_CAPACITY = 1024;

/** Packet identifiers in the order of receipt, as a ring of numbers: an object for each would live for a COMMIT. */
function createHeldIds() {
  let ids = new Uint16Array(FIRST_CAPACITY);
  let done = new Uint8Array(FIRST_CAPACITY);
  /** Places of the first that is held, and of the next that comes; the ring's size is a power of two. */
  let head = 0;
  let tail = 0;

  function grow(): void {
    const largerIds = new Uint16Array(ids.length * 2);
    const largerDone = new Uint8Array(ids.length * 2);
    for (let place = head; place < tail; place++) {
      const from = place % ids.length;
      const to = place % largerIds.length;
      largerIds[to] = ids[from] as number;
      largerDone[to] = done[from] as number;
    }
    ids = largerIds;
    done = largerDone;
  }

  return {
    add(messageId: number): number {
      if (tail - head === ids.length) grow();
      const at = tail % ids.length;
      ids[at] = messageId;
      done[at] = 0;
      return tail++;
    },
    finish(place: number): void {
      if (place >= head) done[place % ids.length] = 1;
    },
    /** How many at the head are done. */
    countDone(): number {
      let end = head;
      while (end < tail && done[end % ids.length] === 1) end++;
      return end - head;
    },
    /** Takes the first. */
    take: () => ids[head++ % ids.length] as number,
    count: () => tail - head,
    clear(): void {
      head = tail;
    },
  };
}
