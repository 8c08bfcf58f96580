import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { type Mosquitto, startMosquitto } from '../../test/mosquitto.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { createDelivery, type Delivery, type DeliveryOptions } from './delivery.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from './embedded-broker.ts';

const log = createLog('silent');
const patient = () => AbortSignal.timeout(30_000);
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function broker(lines: readonly string[] = []): Promise<Mosquitto> {
  const started = await startMosquitto({ lines });
  closers.push(() => started.remove());
  return started;
}

function open(url: string, more: Partial<DeliveryOptions> = {}): Delivery {
  const delivery = createDelivery({
    ...{ url, clientId: 'delivery-test', metrics: createMetrics(), log },
    ...more,
  });
  closers.push(() => delivery.stop());
  return delivery;
}

/** Subscribes to all, and keeps what comes: topic, content type and payload. */
async function listen(url: string): Promise<{ client: MqttClient; heard: string[] }> {
  const client = await connectAsync(url, { protocolVersion: 5 });
  closers.push(() => client.endAsync(true));
  const heard: string[] = [];
  client.on('message', (topic, payload, { properties }) => {
    heard.push(`${topic} ${properties?.contentType ?? '-'} ${payload.toString()}`);
  });
  await client.subscribeAsync('#', { qos: 1 });
  return { client, heard };
}

const message = (n: number | string, contentType?: string) => ({
  ...{ topic: 't/acme/rig/p', payload: Buffer.from(String(n)), contentType },
});

/** An embedded broker, which speaks 3.1.1 alone; `taken` gets what is published there. */
async function oldBroker(taken: string[]): Promise<EmbeddedBroker<{ tenant: string }>> {
  const old = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0, metrics: createMetrics(), log, clock: Date.now },
    handler(inbound, acknowledge) {
      taken.push(Buffer.from(inbound.payload).toString());
      acknowledge();
      return undefined;
    },
    authenticate: async () => ({ tenant: 'acme' }),
    ...{ authorizePublish: () => true, authorizeSubscribe: () => true },
    authorizeForward: () => true,
  });
  closers.push(() => old.stop());
  return old;
}

describe('a delivery', () => {
  it('hands over messages with their content type, and waits for each to be acknowledged', async () => {
    const { url } = await broker();
    const { heard } = await listen(url);
    const delivery = open(url);
    expect(await delivery.carriesContentType(patient())).toBe(true);
    await delivery.deliver(message(1, 'text/csv'), patient());
    await delivery.deliver(message(2), patient());
    await expect.poll(() => heard).toEqual(['t/acme/rig/p text/csv 1', 't/acme/rig/p - 2']);
  });

  it('speaks MQTT 3.1.1 where the broker does, and says that no content type arrives', async () => {
    const taken: string[] = [];
    const { url } = await oldBroker(taken);
    const delivery = open(url);
    expect(await delivery.carriesContentType(patient())).toBe(false);
    await delivery.deliver(message(1), patient());
    expect(taken).toEqual(['1']);
    const typed = delivery.deliver(message(2, 'text/csv'), patient());
    await expect(typed).rejects.toMatchObject({ code: 'broker_unavailable' });
    expect(taken).toEqual(['1']);
  });

  it('refuses what nobody is subscribed to: it would be lost', async () => {
    const { url } = await broker();
    const lonely = open(url).deliver(message(1), patient());
    await expect(lonely).rejects.toThrow('Nobody is subscribed');
  });

  it('has no more under way than the broker allows', async () => {
    // More than that at a time is a protocol error, for which the broker closes the connection.
    const { url } = await broker(['max_inflight_messages 2']);
    const { heard } = await listen(url);
    const delivery = open(url);
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    await Promise.all(numbers.map((n) => delivery.deliver(message(n), patient())));
    const distinct = () => new Set(heard).size;
    await expect.poll(distinct, { timeout: 20_000 }).toBe(numbers.length);
  });

  it('gives up within its bound while the broker is away, and works when it is back', async () => {
    const started = await broker();
    const { url } = started;
    const delivery = open(url);
    await started.stop();
    const away = delivery.deliver(message(1), patient());
    await expect(away).rejects.toMatchObject({ code: 'broker_unavailable' });
    await started.start();
    const { heard } = await listen(url);
    await delivery.deliver(message(2), patient());
    await expect.poll(() => heard).toEqual(['t/acme/rig/p - 2']);
  });

  it('keeps no more than its bound in memory: the next one waits, and is told so', async () => {
    const { url } = await broker();
    const { heard } = await listen(url);
    const delivery = open(url, { bytesMax: 1 });
    let isFirstOver = false;
    const first = delivery.deliver(message(1), patient()).then(() => {
      isFirstOver = true;
    });
    const impatient = delivery.deliver(message(2), AbortSignal.abort());
    await expect(impatient).rejects.toThrow('Too much waits');
    await delivery.deliver(message(3), patient());
    expect(isFirstOver).toBe(true);
    await first;
    await expect.poll(() => heard).toEqual(['t/acme/rig/p - 1', 't/acme/rig/p - 3']);
  });

  it('refuses a message that is larger than the broker takes, or than ingesters do', async () => {
    const { url } = await broker(['max_packet_size 2000']);
    const large = open(url).deliver(message('x'.repeat(3_000)), patient());
    await expect(large).rejects.toMatchObject({ code: 'body_too_large' });
    const { url: other } = await broker();
    const huge = open(other).deliver(message('x'.repeat(16 << 20)), patient());
    await expect(huge).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('says that it was stopped, also where it never connected', async () => {
    const delivery = open('mqtt://127.0.0.1:9');
    await delivery.stop();
    await delivery.stop();
    const late = delivery.deliver(message(1), patient());
    await expect(late).rejects.toThrow('stopping');
  });
});
