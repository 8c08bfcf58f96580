// What is published at the embedded broker from within its process: it goes the way of a device's message.
import type { Aedes } from 'aedes';
import type { Log } from '../log.ts';
import type { InboundMessage, MessageHandler } from './message.ts';
import type { Pace } from './pace.ts';
import { createWaitingRoom } from './waiting-room.ts';

/** A message of this process. */
export type OwnMessage = Pick<
  InboundMessage,
  'topic' | 'payload' | 'contentType' | 'userProperties' | 'publisher'
>;

/**
 * Publishes a message; resolves when the handler has acknowledged it, and waits before that while too much is in
 * flight.
 * @throws the signal's reason, and nothing is published then.
 */
export type PublishOwn = (message: OwnMessage, signal: AbortSignal) => Promise<void>;

export interface OwnPublishingOptions {
  readonly handler: MessageHandler;
  /** Of the broker: devices and this process share it. */
  readonly pace: Pace;
  readonly nowUs: () => number;
  readonly log: Log;
}

/** Makes the function. */
export function createOwnPublishing(
  { handler, pace, nowUs, log }: OwnPublishingOptions,
  aedes: Pick<Aedes, 'publish'>,
): PublishOwn {
  const room = createWaitingRoom(pace);

  function take(message: OwnMessage, bytes: number): Promise<void> {
    return new Promise((resolve) => {
      const busy = handler({ ...message, receivedUs: nowUs(), dup: false }, () => {
        pace.settle(bytes);
        resolve();
      });
      if (busy !== undefined) room.closeUntil(busy);
    });
  }

  return async (message, signal) => {
    const { topic } = message;
    const bytes = message.payload.length + topic.length;
    await room.enter(bytes, signal);
    await take(message, bytes);
    const { buffer, byteOffset, byteLength } = message.payload;
    const payload = Buffer.from(buffer, byteOffset, byteLength);
    const packet = { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as const;
    aedes.publish(packet, (error) => {
      if (error) log.warn({ err: error, topic }, 'MQTT: a message could not be forwarded');
    });
  };
}
