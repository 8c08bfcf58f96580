// MQTT.js as it comes, receiving at QoS 1 and doing nothing with what it gets: the most that a subscriber built on it
// can take from the same broker.
import mqtt from 'mqtt';
import type { Part } from '../../lib/lifecycle.ts';
import { createCountdown } from '../countdown.ts';

export interface BareSubscriber extends Part {
  /** Resolves when so many messages have come since the call. */
  receive(messages: number): Promise<void>;
}

/** Connects (MQTT 5, the widest window that it has) and subscribes to everything below `root`. */
export async function startBareSubscriber(url: string, root: string): Promise<BareSubscriber> {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    properties: { receiveMaximum: 65_535 },
  });
  const received = createCountdown();
  client.on('message', () => received.count());
  await client.subscribeAsync(`${root}/#`, { qos: 1 });
  return {
    name: 'bare subscriber',
    receive: (messages) => received.next(messages),
    async stop() {
      await client.endAsync();
    },
  };
}
