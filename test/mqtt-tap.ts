// A proxy between a subscriber and its broker that reads the packets: it remembers what the subscriber acknowledged, sees
// that it does so in the order of receipt and once for each message of that connection, and can do what brokers may do
// and seldom do: deliver everything twice, use packet identifiers again for other messages, ask for a short keepalive.
import { type Link, type Passage, startProxy, type TcpProxy } from './proxy.ts';

export interface TapOptions {
  /** The broker's port. */
  readonly port: number;
  /** Which of the test's messages a payload is. */
  number(payload: string): number;
  /** `always`: each message is followed by itself, flagged DUP, under its identifier. */
  readonly twice?: boolean;
  /** Identifiers count up from 1 on one connection, and down to 1 on the next: the same ones for other messages. */
  readonly reusesIds?: boolean;
  /** What the broker asks its client to keep, and holds it to. */
  readonly keepaliveS?: number;
}

export interface MqttTap extends TcpProxy {
  /** Messages that the subscriber has acknowledged. */
  readonly acknowledged: ReadonlySet<number>;
  /** Deliveries at QoS 1. */
  delivered(): number;
  /** Those flagged DUP. */
  redelivered(): number;
  /** Acknowledgements that should not have been sent, in words. */
  readonly violations: readonly string[];
}

const CONNECT = 1;
const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const DUP = 0x08;
const ID_MAX = 65_535;
/** Where counting down begins: no more than so many messages are under way in these tests. */
const COUNT_DOWN_FROM = 4_000;

/** A message that was delivered on one connection and is not acknowledged. */
interface Delivery {
  readonly number: number;
  /** The broker's identifier. */
  readonly id: number;
  /** Acknowledgements that are to come. */
  due: number;
}

/** Reads a variable byte integer (MQTT 5 clause 1.5.5); undefined where it is not all there. */
function readLength(bytes: Buffer, at: number): { length: number; next: number } | undefined {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** i;
    if (byte < 128) return { length, next: at + i + 1 };
  }
  throw new Error('no MQTT');
}

/** Cuts a stream into packets and gives each to `change`; what that gives back is passed on. */
function eachPacket(change: (packet: Buffer, bodyAt: number) => Buffer): (chunk: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const passed: Buffer[] = [];
    let at = 0;
    for (;;) {
      const head = readLength(bytes, at + 1);
      if (head === undefined || head.next + head.length > bytes.length) break;
      const end = head.next + head.length;
      passed.push(change(bytes.subarray(at, end), head.next - at));
      at = end;
    }
    rest = bytes.subarray(at);
    return Buffer.concat(passed);
  };
}

/** Adds Server Keep Alive (MQTT 5 clause 3.2.2.3.14) to a CONNACK, which is short. */
function withKeepalive(connack: Buffer, keepaliveS: number): Buffer {
  const property = Buffer.from([0x13, keepaliveS >> 8, keepaliveS & 255]);
  const changed = Buffer.concat([connack.subarray(0, 5), property, connack.subarray(5)]);
  changed[1] = (changed[1] ?? 0) + 3;
  changed[4] = (changed[4] ?? 0) + 3;
  return changed;
}

/** Starts a tap. */
export async function startMqttTap(options: TapOptions): Promise<MqttTap> {
  const acknowledged = new Set<number>();
  const violations: string[] = [];
  let delivered = 0;
  let redelivered = 0;
  let connections = 0;

  function passage(_link: Link): Passage {
    const countsDown = options.reusesIds === true && connections++ % 2 === 1;
    /** By the identifier that the subscriber sees, in the order of delivery. */
    const open = new Map<number, Delivery>();
    let lastId = countsDown ? COUNT_DOWN_FROM + 1 : 0;
    let version = 5;

    function nextId(id: number): number {
      if (options.reusesIds !== true) return id;
      do lastId = countsDown ? ((lastId + ID_MAX - 2) % ID_MAX) + 1 : (lastId % ID_MAX) + 1;
      while (open.has(lastId));
      return lastId;
    }

    function deliver(packet: Buffer, bodyAt: number): Buffer {
      const flags = packet[0] ?? 0;
      if (((flags >> 1) & 3) === 0) return packet;
      delivered++;
      if ((flags & DUP) !== 0) redelivered++;
      const idAt = bodyAt + 2 + packet.readUInt16BE(bodyAt);
      const properties = version === 5 ? readLength(packet, idAt + 2) : undefined;
      const payload = packet.subarray(
        properties === undefined ? idAt + 2 : properties.next + properties.length,
      );
      const id = packet.readUInt16BE(idAt);
      const shown = nextId(id);
      const number = options.number(payload.toString());
      open.set(shown, { number, id, due: options.twice === true ? 2 : 1 });
      const first = Buffer.from(packet);
      first.writeUInt16BE(shown, idAt);
      if (options.twice !== true) return first;
      const second = Buffer.from(first);
      second[0] = flags | DUP;
      return Buffer.concat([first, second]);
    }

    function acknowledge(packet: Buffer): Buffer {
      const shown = packet.readUInt16BE(2);
      const delivery = open.get(shown);
      if (delivery === undefined) {
        violations.push(`a PUBACK for ${shown}, which is not open`);
        return packet;
      }
      const [first] = open.keys();
      if (first !== shown) violations.push(`a PUBACK for ${shown} before that for ${first}`);
      acknowledged.add(delivery.number);
      if (--delivery.due > 0) return Buffer.alloc(0);
      open.delete(shown);
      const passed = Buffer.from(packet);
      passed.writeUInt16BE(delivery.id, 2);
      return passed;
    }

    return {
      up: eachPacket((packet, bodyAt) => {
        const type = (packet[0] ?? 0) >> 4;
        if (type === PUBACK) return acknowledge(packet);
        if (type !== CONNECT) return packet;
        version = packet[bodyAt + 6] ?? 5;
        if (options.keepaliveS === undefined) return packet;
        const changed = Buffer.from(packet);
        changed.writeUInt16BE(options.keepaliveS, bodyAt + 8);
        return changed;
      }),
      down: eachPacket((packet, bodyAt) => {
        const type = (packet[0] ?? 0) >> 4;
        if (type === PUBLISH) return deliver(packet, bodyAt);
        if (type !== CONNACK || version !== 5 || options.keepaliveS === undefined) return packet;
        return withKeepalive(packet, options.keepaliveS);
      }),
    };
  }

  const proxy = await startProxy(() => ({ port: options.port, host: '127.0.0.1' }), passage);
  return Object.assign(proxy, {
    acknowledged,
    violations,
    delivered: () => delivered,
    redelivered: () => redelivered,
  });
}
