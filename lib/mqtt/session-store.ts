// What the embedded broker keeps of sessions that outlive their connections (MQTT 3.1.1 clause 3.1.2.4), in memory: the
// filters that were granted, messages that wait for the subscriber, and QoS 2 messages in hand. All within bounds: this
// broker is for devices that publish; whoever must miss nothing reads the database.
//
// Filters and what is retained stay with the memory persistence that comes with aedes; the queues, which have no bound
// there, are here.
import { Readable } from 'node:stream';
import type { Client, Subscription } from 'aedes';
import aedesPersistence from 'aedes-persistence';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ExactlyOnce } from './exactly-once.ts';

export interface SessionStore {
  /** For aedes. */
  readonly persistence: object;
  /** The policy lets a client have this filter: aedes gives all of a SUBSCRIBE to be stored, the refused ones, too. */
  grant(subscription: Subscription): void;
  /** It does not (any more): nothing more is kept for it. */
  refuse(client: Client, filter: string): void;
  arrive(client: Client): void;
  leave(client: Client): void;
}

/** Most messages that wait. */
export interface KeptLimits {
  /** Of one session. */
  readonly messagesMax?: number;
  /** Of one session. */
  readonly bytesMax?: number;
  readonly allBytesMax?: number;
}

export interface SessionStoreOptions extends KeptLimits {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly exactlyOnce: ExactlyOnce;
  /** At least as many as clients may be connected: those are never forgotten. */
  readonly sessionsMax: number;
}

/** What aedes has kept for a subscriber, or names by one of its numbers: a message, or its release at QoS 2. */
interface Packet {
  readonly cmd: string;
  readonly topic?: string;
  readonly payload?: string | Buffer;
  /** Both absent from what a client sent. */
  readonly brokerId?: string;
  readonly brokerCounter?: number;
  /** Of the delivery to one client, once it was sent. */
  messageId?: number | undefined;
}

/** Of a message at QoS 2, or of its release. */
interface Incoming {
  readonly messageId: number;
}

/** Of the memory persistence, what is called here. */
interface Memory {
  addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void>;
  removeSubscriptions(client: Pick<Client, 'id'>, filters: readonly string[]): Promise<void>;
  cleanSubscriptions(client: Pick<Client, 'id'>): Promise<void>;
}

/** The package's types know neither how it is imported nor that it has promises, which is what aedes uses. */
const createMemory = aedesPersistence as unknown as () => Memory;

interface StoredSession {
  readonly id: string;
  readonly tenant: string;
  /** undefined while it is away. */
  client: Client | undefined;
  /** The oldest first. */
  readonly queue: Packet[];
  bytes: number;
  /** Something was lost since the queue was empty, and the log said so. */
  isLosing: boolean;
}

const MESSAGES_MAX = 1_000;
const BYTES_MAX = 4 * 1024 * 1024;
const ALL_BYTES_MAX = 64 * 1024 * 1024;
/** What a message takes besides its topic and payload, roughly. */
const MESSAGE_BYTES = 200;

function bytesOf({ topic = '', payload = '' }: Packet): number {
  return MESSAGE_BYTES + topic.length + payload.length;
}

/** Where a delivery is in a queue: by its number at the broker, else by what the client calls it; -1 for nowhere. */
function placeOf(queue: readonly Packet[], packet: Packet): number {
  const { brokerId, brokerCounter, messageId } = packet;
  if (brokerId !== undefined) {
    const at = queue.findIndex(
      (queued) => queued.brokerId === brokerId && queued.brokerCounter === brokerCounter,
    );
    if (at >= 0) return at;
  }
  if (messageId === undefined) return -1;
  return queue.findIndex((queued) => queued.messageId === messageId);
}

/** The tenant, and the client id as the client says it, of an id that names both. */
function namesIn(id: string): { tenant: string; clientId: string } {
  const at = id.indexOf('\0');
  return { tenant: id.slice(0, Math.max(0, at)), clientId: id.slice(at + 1) };
}

/** Sessions, the one that has been away for longest first among those that are away; never more than so many. */
interface Sessions {
  readonly byId: ReadonlyMap<string, StoredSession>;
  /** The session of a client, which is begun where there is none. */
  of(client: Client): StoredSession;
  end(id: string): void;
  leave(client: Client): void;
}

function createSessions(max: number, onForgotten: (session: StoredSession) => void): Sessions {
  const byId = new Map<string, StoredSession>();
  const tenants = new Map<string, number>();

  function end(id: string): void {
    const session = byId.get(id);
    if (session === undefined) return;
    byId.delete(id);
    const left = (tenants.get(session.tenant) ?? 1) - 1;
    if (left === 0) tenants.delete(session.tenant);
    else tenants.set(session.tenant, left);
  }

  /** A tenant that has more than half of all makes room for its own. */
  function forgetOne(tenant: string): void {
    const isGreedy = (tenants.get(tenant) ?? 0) > max / 2;
    for (const session of byId.values()) {
      // aedes does not tell of every connection that ends while another takes it over.
      if (session.client?.closed === false || (isGreedy && session.tenant !== tenant)) continue;
      end(session.id);
      onForgotten(session);
      return;
    }
  }

  return {
    byId,
    end,
    of(client) {
      const { id } = client;
      const known = byId.get(id);
      if (known !== undefined) return known;
      const { tenant } = namesIn(id);
      if (byId.size >= max) forgetOne(tenant);
      const session: StoredSession = {
        ...{ id, tenant, client: client.closed ? undefined : client },
        ...{ queue: [], bytes: 0, isLosing: false },
      };
      byId.set(id, session);
      tenants.set(tenant, (tenants.get(tenant) ?? 0) + 1);
      return session;
    },
    leave(client) {
      const session = byId.get(client.id);
      // Another connection may have taken it over.
      if (session === undefined || session.client !== client) return;
      session.client = undefined;
      byId.delete(session.id);
      byId.set(session.id, session);
    },
  };
}

/** The queues of messages. */
interface Queues {
  readonly bytes: number;
  add(session: StoredSession, packet: Packet): void;
  /** Takes out the same delivery. */
  take(session: StoredSession, packet: Packet): Packet | undefined;
  /** Puts what is known now of a delivery in its place; nothing where it was dropped meanwhile. */
  update(session: StoredSession, packet: Packet): void;
  clear(session: StoredSession): void;
}

function createQueues(options: {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly allBytesMax: number;
  readonly onLost: (session: StoredSession) => void;
}): Queues {
  const { messagesMax, bytesMax, allBytesMax, onLost } = options;
  let all = 0;

  function count(session: StoredSession, bytes: number): void {
    session.bytes += bytes;
    all += bytes;
  }

  /** A session has no more than is left for others. */
  function fits({ queue, bytes }: StoredSession, more: number): boolean {
    const withIt = bytes + more;
    return queue.length < messagesMax && withIt <= bytesMax && withIt <= allBytesMax - all - more;
  }

  function take(session: StoredSession, packet: Packet): Packet | undefined {
    const at = placeOf(session.queue, packet);
    const [taken] = at < 0 ? [] : session.queue.splice(at, 1);
    if (taken !== undefined) count(session, -bytesOf(taken));
    if (session.queue.length === 0) session.isLosing = false;
    return taken;
  }

  return {
    get bytes() {
      return all;
    },
    take,
    add(session, packet) {
      const more = bytesOf(packet);
      while (!fits(session, more)) {
        const oldest = session.queue.shift();
        onLost(session);
        if (oldest === undefined) return;
        count(session, -bytesOf(oldest));
      }
      session.queue.push(packet);
      count(session, more);
    },
    update(session, packet) {
      const at = placeOf(session.queue, packet);
      const queued = session.queue[at];
      if (queued === undefined) return;
      if (packet.cmd === 'publish') {
        queued.messageId = packet.messageId;
        return;
      }
      // The subscriber has it: what is left to be sent is that it is to be released.
      count(session, bytesOf(packet) - bytesOf(queued));
      session.queue[at] = packet;
    },
    clear(session) {
      count(session, -session.bytes);
      session.queue.length = 0;
    },
  };
}

/** What aedes asks of messages at QoS 2 that come in. Only identifiers are kept: they go on before they are released. */
function incomingPart(exactlyOnce: ExactlyOnce, sessions: Sessions) {
  return {
    async incomingStorePacket(client: Client, { messageId }: Incoming) {
      if (exactlyOnce.take(client, messageId) && !client.clean) sessions.of(client);
    },
    async incomingGetPacket(client: Client, { messageId }: Incoming) {
      if (!exactlyOnce.isTaken(client, messageId)) throw new Error('no such packet');
      return { messageId };
    },
    async incomingDelPacket(client: Client, { messageId }: Incoming) {
      if (!exactlyOnce.release(client, messageId)) throw new Error('no such packet');
    },
    async cleanIncoming(client: Client) {
      exactlyOnce.clean(client);
    },
  };
}

/** Makes an empty store. */
export function createSessionStore(options: SessionStoreOptions): SessionStore {
  const { metrics, log, exactlyOnce, sessionsMax, allBytesMax = ALL_BYTES_MAX } = options;
  const { messagesMax = MESSAGES_MAX, bytesMax = BYTES_MAX } = options;
  const lost = metrics.counter(
    'tailrace_mqtt_queued_lost_total',
    'messages that were not kept for a subscriber until it had them: its queue was full, and the oldest go first',
  );
  const forgotten = metrics.counter(
    'tailrace_mqtt_sessions_forgotten_total',
    'sessions of absent clients that made room for others',
  );
  const memory = createMemory();
  const granted = new WeakSet<Subscription>();
  const queues = createQueues({
    ...{ messagesMax, bytesMax, allBytesMax },
    onLost(session) {
      lost.inc();
      if (session.isLosing) return;
      session.isLosing = true;
      log.warn(
        namesIn(session.id),
        'MQTT: messages for a subscriber are dropped, its queue is full',
      );
    },
  });
  const sessions = createSessions(sessionsMax, (session) => {
    forgotten.inc();
    log.warn(namesIn(session.id), 'MQTT: a session was forgotten, there are too many');
    queues.clear(session);
    void memory.cleanSubscriptions(session);
    exactlyOnce.forget(session.id);
  });
  metrics.bounded('mqtt_broker_sessions', () => sessions.byId.size, sessionsMax);
  metrics.bounded('mqtt_broker_queued_bytes', () => queues.bytes, allBytesMax);

  const persistence = Object.assign(Object.create(memory), {
    async addSubscriptions(client: Client, subscriptions: readonly Subscription[]) {
      sessions.of(client);
      await memory.addSubscriptions(
        client,
        subscriptions.filter((one) => granted.has(one)),
      );
    },
    async cleanSubscriptions(client: Client) {
      const session = sessions.byId.get(client.id);
      if (session !== undefined) queues.clear(session);
      sessions.end(client.id);
      await memory.cleanSubscriptions(client);
    },
    ...incomingPart(exactlyOnce, sessions),
    outgoingEnqueue: async ({ clientId }: { clientId: string }, packet: Packet) =>
      enqueue([clientId], packet),
    async outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: Packet) {
      // Filters of one client that overlap are one delivery.
      if (subs.length > 0) enqueue(new Set(subs.map(({ clientId }) => clientId)), packet);
    },
    async outgoingUpdate({ id }: Client, packet: Packet) {
      const session = sessions.byId.get(id);
      if (session !== undefined) queues.update(session, packet);
    },
    async outgoingClearMessageId({ id }: Client, packet: Packet) {
      const session = sessions.byId.get(id);
      return session === undefined ? undefined : queues.take(session, packet);
    },
    outgoingStream: ({ id }: Client) => Readable.from([...(sessions.byId.get(id)?.queue ?? [])]),
  });

  function enqueue(ids: Iterable<string>, packet: Packet): void {
    for (const id of ids) {
      const session = sessions.byId.get(id);
      // A message id is of one subscriber: each has a copy.
      if (session !== undefined) queues.add(session, { ...packet, messageId: undefined });
    }
  }

  return {
    persistence,
    grant: (subscription) => void granted.add(subscription),
    refuse: (client, filter) => void memory.removeSubscriptions(client, [filter]),
    arrive(client) {
      const session = sessions.byId.get(client.id);
      if (session !== undefined) session.client = client;
    },
    leave: sessions.leave,
  };
}
