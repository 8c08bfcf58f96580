// What is published at the embedded broker from within its process: it goes the way of a device's message.
import type { Aedes } from 'aedes';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { InboundMessage, MessageHandler } from './message.ts';
import type { SharedPace } from './pace.ts';
import { createWaitingRoom, type WaitingRoom } from './waiting-room.ts';

/** A message of this process. */
export type OwnMessage = Pick<
  InboundMessage,
  'topic' | 'payload' | 'contentType' | 'userProperties' | 'publisher'
>;

/**
 * Publishes a message; resolves when the handler has acknowledged it, and waits before that while too much is in
 * flight, of all or of its tenant.
 * @throws the signal's reason, and nothing is published then.
 */
export type PublishOwn = (message: OwnMessage, signal: AbortSignal) => Promise<void>;

export interface OwnPublishingOptions {
  readonly handler: MessageHandler;
  /** Of the broker, by tenant: devices and this process share them. */
  readonly shares: SharedPace;
  readonly nowUs: () => number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Tenants that have a room of their own at a time; further ones share one. */
const ROOMS_MAX = 1_000;
/** Whose name no tenant has. */
const COMMON = '\0';

/** Makes the function. */
export function createOwnPublishing(
  { handler, shares, nowUs, metrics, log }: OwnPublishingOptions,
  aedes: Pick<Aedes, 'publish'>,
): PublishOwn {
  const rooms = createRooms(shares);
  metrics.bounded('mqtt_own_rooms', () => rooms.size, ROOMS_MAX + 1);

  function take(message: OwnMessage, room: Room, settle: () => void): Promise<void> {
    return new Promise((resolve) => {
      const busy = handler({ ...message, receivedUs: nowUs(), dup: false }, () => {
        settle();
        resolve();
      });
      if (busy !== undefined) room.closeUntil(busy);
    });
  }

  return async (message, signal) => {
    const { topic } = message;
    const bytes = message.payload.length + topic.length;
    const room = rooms.open(message.publisher?.tenant ?? COMMON);
    try {
      await room.enter(bytes, signal);
      await take(message, room, () => room.settle(bytes));
    } finally {
      room.leave();
    }
    const { buffer, byteOffset, byteLength } = message.payload;
    const payload = Buffer.from(buffer, byteOffset, byteLength);
    const packet = { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as const;
    aedes.publish(packet, (error) => {
      if (error) log.warn({ err: error, topic }, 'MQTT: a message could not be forwarded');
    });
  };
}

/** A tenant's waiting room. */
interface Room extends WaitingRoom {
  /** Notes bytes that entered as through. */
  settle(bytes: number): void;
  /** To be called once for each `open`. */
  leave(): void;
}

/** Rooms of tenants, each for as long as somebody is in it or it is closed: who is made to wait waits alone. */
function createRooms(shares: SharedPace) {
  const rooms = new Map<string, { readonly room: Room; users: number }>();

  function create(tenant: string): Room {
    // Who has nothing under way is forgotten by the shares, so theirs is asked for each time.
    const waiting = createWaitingRoom({
      begin: (bytes) => shares.of(tenant).begin(bytes),
      get full() {
        return shares.of(tenant).full;
      },
      whenRoomy: (resume) => shares.of(tenant).whenRoomy(resume),
    });
    const leave = () => {
      const entry = rooms.get(tenant);
      if (entry === undefined) return;
      entry.users--;
      if (entry.users === 0) rooms.delete(tenant);
    };
    return {
      enter: waiting.enter,
      closeUntil(opened) {
        enterRoom(tenant);
        waiting.closeUntil(opened);
        opened.then(leave, leave);
      },
      settle: (bytes) => shares.of(tenant).settle(bytes),
      leave,
    };
  }

  function enterRoom(tenant: string): Room {
    let entry = rooms.get(tenant);
    if (entry === undefined) {
      entry = { room: create(tenant), users: 0 };
      rooms.set(tenant, entry);
    }
    entry.users++;
    return entry.room;
  }

  return {
    /** The room of a tenant, to be left again. */
    open: (tenant: string) =>
      enterRoom(rooms.has(tenant) || rooms.size < ROOMS_MAX ? tenant : COMMON),
    get size() {
      return rooms.size;
    },
  };
}
