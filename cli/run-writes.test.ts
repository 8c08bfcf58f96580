import { expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { InboundMessage } from '../lib/mqtt/message.ts';
import { createOwnPublishing } from '../lib/mqtt/own-publishing.ts';
import { createPace, sharePace } from '../lib/mqtt/pace.ts';
import { ownOutlet } from './run-writes.ts';

/** A pipeline of one place that commits when it is told to. */
function open() {
  const handled: { message: InboundMessage; commit: () => void }[] = [];
  const forwarded: string[] = [];
  const metrics = createMetrics();
  const bounds = { messagesMax: 1, bytesMax: 1_000 };
  const shares = sharePace(createPace({ metrics, what: 'test', ...bounds }), bounds);
  const handler = (message: InboundMessage, commit: () => void) => {
    handled.push({ message, commit });
    return undefined;
  };
  const publish = createOwnPublishing(
    { handler, shares, nowUs: () => 1, metrics, log: createLog('silent') },
    { publish: (packet) => void forwarded.push(packet.topic) },
  );
  return { handled, forwarded, publish };
}

const MESSAGE = { tenant: 'acme', topic: 't/acme/rig/p', payload: Buffer.from('1'), readings: 1 };

it('confirms what is committed, and forwards it only then', async () => {
  const { handled, forwarded, publish } = open();
  const writing = ownOutlet(publish).publish({ ...MESSAGE, contentType: 'text/csv' });
  await new Promise(setImmediate);
  expect(forwarded).toEqual([]);
  expect(handled[0]?.message).toMatchObject({
    ...{ topic: MESSAGE.topic, contentType: 'text/csv', dup: false, receivedUs: 1 },
    publisher: { tenant: 'acme' },
  });
  handled[0]?.commit();
  await writing;
  expect(forwarded).toEqual([MESSAGE.topic]);
});

it('asks to come again where nothing is committed in time, and hands over nothing that waits', async () => {
  const { handled, publish } = open();
  const outlet = ownOutlet(publish, 20);
  const later = { code: 'broker_unavailable', details: { retry_after_s: 2 } };
  await expect(outlet.publish(MESSAGE)).rejects.toMatchObject(later);
  await expect(outlet.publish(MESSAGE)).rejects.toMatchObject(later);
  expect(handled).toHaveLength(1);
  handled[0]?.commit();
  const third = ownOutlet(publish).publish(MESSAGE);
  await expect.poll(() => handled.length).toBe(2);
  handled[1]?.commit();
  await third;
});
