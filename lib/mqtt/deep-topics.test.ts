import mqtt from 'mqtt';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { startEmbeddedBroker } from './embedded-broker.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

it.each([0, 1, 2] as const)(
  'takes a topic of more levels than can be matched to the handler at QoS %i, acknowledges it and forwards it to nobody',
  async (qos) => {
    const handled: string[] = [];
    const broker = await startEmbeddedBroker({
      ...{ host: '127.0.0.1', port: 0, clock: Date.now },
      ...{ metrics: createMetrics(), log: createLog('silent') },
      authenticate: async () => ({ tenant: 'acme' }),
      authorizePublish: (_, topic) => topic.startsWith('t/'),
      authorizeSubscribe: () => true,
      authorizeForward: () => true,
      handler: ({ topic }, acknowledge) => {
        handled.push(topic);
        acknowledge();
        return undefined;
      },
    });
    cleanups.push(() => broker.stop());
    const deep = `t/acme/rig${'/x'.repeat(98)}`;
    const deepest = `t/acme/rig${'/'.repeat(60_000)}`;
    const topics: string[] = [];
    const device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    cleanups.push(() => device.endAsync(true));
    device.on('message', (topic) => topics.push(topic));
    await device.subscribeAsync(['#', '$deep'], { qos: 1 });
    const last = new Promise((resolve) => {
      device.on('message', (topic) => topic === 't/acme/rig/last' && resolve(topic));
    });
    for (const topic of [deep, deepest]) {
      await device.publishAsync(topic, '1', { qos, retain: true });
    }
    await device.publishAsync('t/acme/rig/last', '1', { qos: 1 });
    await last;
    expect(handled).toEqual([deep, deepest, 't/acme/rig/last']);
    expect(topics).toEqual(['t/acme/rig/last']);
    // Only under its own name.
    device.on('error', () => {});
    const closed = new Promise((resolve) => device.once('close', () => resolve(true)));
    device.publish('$deep', '1', { qos: 1 }, () => {});
    expect(await closed).toBe(true);
    expect(handled).toHaveLength(3);
  },
);
