// Devices at a real broker, whose right ends while they are connected.
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import type { Publisher } from '../lib/mqtt/broker-sessions.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from '../lib/mqtt/embedded-broker.ts';
import type { Policy } from '../policies/decide/decision.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import type { Claims } from '../policies/grant.ts';
import { createRevocations, type Revocations } from '../policies/tokens/revocations.ts';
import { changeGrants } from '../test/policy.ts';
import { eventually } from '../test/program.ts';
import { createDeviceAccess, type DeviceAccess } from './device-access.ts';
import { watchDevices } from './device-watch.ts';
import { DEFAULT_RULES, fixedRules } from './topics/rules.ts';

const START_MS = 1_800_000_000_000;
const log = createLog('silent');

interface Device extends Publisher {
  readonly access: DeviceAccess | undefined;
}

let nowMs: number;
let broker: EmbeddedBroker<Device>;
let revocations: Revocations;
let metrics: Metrics;
let taken: string[];
/** Assets that the policy no longer allows. */
let forbidden: string[];
let changed: () => void;
const cleanups: (() => Promise<unknown>)[] = [];

async function changingPolicy(): Promise<Policy> {
  const shipped = await loadPolicy({ metrics: createMetrics(), log, clock: () => nowMs });
  const rules = changeGrants(shipped, (grant, { labels = {} }) => {
    const denied = forbidden.includes(labels.asset ?? '');
    return denied ? { ...grant, allow: false, selectors: [] } : grant;
  });
  const listeners = new Set<() => void>();
  changed = () => {
    for (const listener of listeners) listener();
  };
  return {
    ...rules,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

beforeEach(async () => {
  [nowMs, taken, forbidden, metrics] = [START_MS, [], [], createMetrics()];
  revocations = createRevocations();
  const policy = await changingPolicy();
  const may = (ask: (access: DeviceAccess) => boolean) => (device: Device) =>
    device.access === undefined || ask(device.access);
  broker = await startEmbeddedBroker<Device>({
    ...{ host: '127.0.0.1', port: 0, metrics, log, clock: Date.now, drainMaxMs: 500 },
    handler: (message, acknowledge) => {
      taken.push(message.topic);
      acknowledge();
      return undefined;
    },
    async authenticate({ password }) {
      if (password === undefined) return { tenant: undefined, access: undefined };
      // Stands for the verified token.
      const claims = JSON.parse(password) as Claims;
      const access = createDeviceAccess({
        ...{ policy, revocations, claims },
        topicRules: fixedRules(DEFAULT_RULES),
      });
      return { tenant: claims.tenant, access };
    },
    authorizePublish: (device, topic) => may((access) => access.mayPublish(topic, nowMs))(device),
    authorizeSubscribe: (device, filter) =>
      may((access) => access.maySubscribe(filter, nowMs))(device),
    authorizeForward: (device, topic) => may((access) => access.mayReceive(topic, nowMs))(device),
  });
  cleanups.push(() => broker.stop());
  const watch = watchDevices({
    ...{ broker, policy, revocations, log, everyMs: 10 },
    clock: () => nowMs,
  });
  cleanups.push(() => watch.stop());
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface TestDevice {
  readonly client: MqttClient;
  readonly closed: Promise<void>;
  readonly received: string[];
}

async function connect(
  sub: string,
  more: Partial<Claims> = {},
  options: mqtt.IClientOptions = {},
): Promise<TestDevice> {
  const claims = { sub, tenant: 'acme', roles: ['device'], iat: START_MS / 1_000 - 60, ...more };
  const password = JSON.stringify({ exp: START_MS / 1_000 + 3_600, ...claims });
  const client = await mqtt.connectAsync(broker.url, {
    ...{ reconnectPeriod: 0, clientId: sub, username: 'any', password },
    ...options,
  });
  client.on('error', () => {});
  const received: string[] = [];
  client.on('message', (topic) => received.push(topic));
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  cleanups.push(() => client.endAsync(true));
  return { client, closed, received };
}

async function refusals(reason: string): Promise<number> {
  const text = await metrics.exposition();
  return Number(new RegExp(`reason="${reason}"} (\\d+)`).exec(text)?.[1] ?? 0);
}

describe('a connected device is closed', () => {
  it('when its subject is revoked; one of another subject or tenant is not', async () => {
    const ann = await connect('ann');
    const bob = await connect('bob');
    const other = await connect('ann', { tenant: 'other' });
    revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs: START_MS });
    await ann.closed;
    await bob.client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    await other.client.publishAsync('t/other/rig-1/load', '1', { qos: 1 });
    expect(await refusals('revoked')).toBe(1);
  });

  it('when its token is revoked by id, without an acknowledgement of what it sends then', async () => {
    const { client, closed } = await connect('ann', { jti: 'one' });
    let acknowledged = false;
    revocations.add({ tenant: 'acme', tokenId: 'one', revokedAtMs: START_MS });
    client.publish('t/acme/rig-1/load', '1', { qos: 1 }, (error) => {
      acknowledged ||= error === undefined || error === null;
    });
    await closed;
    expect([taken, acknowledged]).toEqual([[], false]);
  });

  it('and leaves no will, when it was revoked', async () => {
    const watcher = await connect('bob');
    await watcher.client.subscribeAsync('t/acme/#');
    const will = { topic: 't/acme/rig/online', payload: Buffer.from('no'), qos: 1, retain: false };
    const { closed } = await connect('ann', {}, { will: { ...will, qos: 1 } });
    revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs: START_MS });
    await closed;
    await watcher.client.publishAsync('t/acme/rig/after', '1', { qos: 1 });
    expect(taken).toEqual(['t/acme/rig/after']);
  });

  it('when its token is over: exp and the tolerance', async () => {
    const { client, closed } = await connect('ann', { exp: START_MS / 1_000 + 60 });
    nowMs = START_MS + 64_999;
    await client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    nowMs = START_MS + 65_000;
    await closed;
    expect(await refusals('expired')).toBe(1);
  });

  it('when other rules no longer allow what it is subscribed to', async () => {
    const one = await connect('one');
    await one.client.subscribeAsync(['t/acme/rig-1/#', 't/acme/rig-2/#']);
    const two = await connect('two');
    await two.client.subscribeAsync('t/acme/rig-2/#');
    const left = await connect('left');
    await left.client.subscribeAsync('t/acme/rig-1/#');
    await left.client.unsubscribeAsync('t/acme/rig-1/#');
    forbidden = ['rig-1'];
    changed();
    await one.closed;
    await two.client.publishAsync('t/acme/rig-2/load', '1', { qos: 1 });
    await left.client.publishAsync('t/acme/rig-2/load', '1', { qos: 1 });
    expect(await refusals('policy')).toBe(1);
  });

  it('at its next publish, when other rules no longer allow that', async () => {
    const { client, closed } = await connect('ann');
    await client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    forbidden = ['rig-1'];
    changed();
    client.publish('t/acme/rig-1/load', '2', { qos: 1 });
    await closed;
    expect(taken).toEqual(['t/acme/rig-1/load']);
  });
});

describe('a subscriber', () => {
  it('gets of a wide filter what it may, and nothing else', async () => {
    forbidden = ['rig-2'];
    const { client, received } = await connect('ann');
    await client.subscribeAsync('t/acme/#', { qos: 1 });
    const anonymous = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    cleanups.push(() => anonymous.endAsync(true));
    for (const topic of ['t/acme/rig-2/load', 't/other/rig-1/load', 't/acme/rig-1/load']) {
      await anonymous.publishAsync(topic, '1', { qos: 1 });
    }
    await eventually(
      async () => received,
      (topics) => topics.length > 0,
    );
    expect(received).toEqual(['t/acme/rig-1/load']);
  });

  it('gets nothing that waited for a client of the same name of another tenant', async () => {
    const session = { clean: false };
    const ours = await connect('logger', {}, session);
    await ours.client.subscribeAsync('t/acme/#', { qos: 1 });
    await ours.client.endAsync();
    const device = await connect('ann');
    await device.client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    const theirs = await connect('logger', { tenant: 'other' }, session);
    await theirs.client.subscribeAsync('t/other/#', { qos: 1 });
    const other = await connect('bob', { tenant: 'other' });
    await other.client.publishAsync('t/other/rig-1/load', '1', { qos: 1 });
    await eventually(
      async () => theirs.received,
      (topics) => topics.length > 0,
    );
    expect(theirs.received).toEqual(['t/other/rig-1/load']);
    // And what waited is still there for whom it is.
    const again = await connect('logger', {}, session);
    await eventually(
      async () => again.received,
      (topics) => topics.length > 0,
    );
    expect(again.received).toEqual(['t/acme/rig-1/load']);
  });

  it('of one tenant is not ended by a client of the same name of another', async () => {
    const ours = await connect('rig');
    await connect('rig', { tenant: 'other' });
    await ours.client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    const closed = ours.closed.then(() => 'closed');
    await connect('rig');
    expect(await closed).toBe('closed');
  });

  it('has so many filters and no more', async () => {
    const { client } = await connect('ann');
    const filters = Array.from({ length: 1_001 }, (_, n) => `t/acme/rig-${n}/load`);
    const granted = await client
      .subscribeAsync(filters)
      .catch((thrown: { packet: { granted: number[] } }) =>
        thrown.packet.granted.map((qos) => ({ qos })),
      );
    expect(granted.filter(({ qos }) => qos === 128)).toHaveLength(1);
  });
});
