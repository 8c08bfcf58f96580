import { connectAsync } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Mosquitto, startMosquitto } from '../../test/mosquitto.ts';
import { connectPublisher, type Publisher } from './publisher.ts';

let broker: Mosquitto;
let publisher: Publisher;

beforeEach(async () => {
  broker = await startMosquitto();
});

afterEach(async () => {
  await publisher.stop();
  await broker.remove();
});

function open(windowMax: number): Publisher {
  publisher = connectPublisher({ url: broker.url, clientId: 'publisher-test', windowMax });
  return publisher;
}

describe('a publisher', () => {
  it('publishes everything at QoS 1, in order, and flush waits for the last acknowledgement', async () => {
    const subscriber = await connectAsync(broker.url);
    const received: string[] = [];
    subscriber.on('message', (_topic, payload) => received.push(payload.toString()));
    await subscriber.subscribeAsync('t/#', { qos: 1 });
    const { publish, flush } = open(3);
    const sent = Array.from({ length: 50 }, (_, index) => String(index));
    for (const payload of sent) await publish('t/a', payload);
    await flush();
    await vi.waitFor(() => expect(received).toEqual(sent));
    await subscriber.endAsync();
  });

  it('takes no more than its window while the broker is away, and goes on when it is back', async () => {
    await broker.stop();
    const { publish, flush } = open(2);
    await publish('t/a', '1');
    await publish('t/a', '2');
    let placed = false;
    const third = publish('t/a', '3').then(() => {
      placed = true;
    });
    await new Promise(setImmediate);
    expect(placed).toBe(false);
    await broker.start();
    await third;
    await flush();
  });

  it('refuses who waits for a place when it is stopped', async () => {
    await broker.stop();
    const { publish, stop } = open(1);
    await publish('t/a', '1');
    const waiting = publish('t/a', '2');
    const refused = expect(waiting).rejects.toThrow('stopped');
    await stop();
    await refused;
    await expect(publish('t/a', '3')).rejects.toThrow('stopped');
  });
});
