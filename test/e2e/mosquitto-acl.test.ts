// An exported ACL on a real mosquitto: what the policy allows arrives, what it forbids does not, whoever asks for it.
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import { exportAccess } from '../../policies/export/access.ts';
import { mosquittoAcl } from '../../policies/export/mosquitto.ts';
import { type Mosquitto, startMosquitto } from '../mosquitto.ts';
import { eventually } from '../program.ts';

const CLAIMS = { sub: 's', tenant: 'acme', roles: ['device'], exp: 4_000_000_000 };
const PRINCIPALS = [
  { username: 'gateway', claims: CLAIMS },
  { username: 'plc 7', claims: { ...CLAIMS, device: 'rig 7' } },
  { username: 'pump', claims: { ...CLAIMS, assets: ['rig-1', 'Ålgård'] } },
  { username: 'stranger', claims: { ...CLAIMS, tenant: 'other' } },
  { username: 'viewer', claims: { ...CLAIMS, roles: ['viewer'] } },
  { username: 'nothing', claims: { ...CLAIMS, assets: [] } },
];
const TOPICS = [
  't/acme/rig 7/mud flow',
  't/acme/rig 7/deep/er',
  't/acme/rig/7',
  't/acme/rig-1/flow',
  't/acme/rig-12/flow',
  't/acme/Ålgård/trykk',
  't/acme',
  't/other/rig-1/flow',
  't/acme2/rig-1/flow',
  'elsewhere',
  '$SYS/x',
];
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  gateway: TOPICS.filter((topic) => topic.startsWith('t/acme/')),
  'plc 7': ['t/acme/rig 7/mud flow', 't/acme/rig 7/deep/er'],
  pump: ['t/acme/rig-1/flow', 't/acme/Ålgård/trykk'],
  stranger: ['t/other/rig-1/flow'],
  viewer: [],
  nothing: [],
};

let mosquitto: Mosquitto;
const clients: MqttClient[] = [];

async function connectAs(username: string): Promise<MqttClient> {
  const options = { username, password: `${username}!`, reconnectPeriod: 0, protocolVersion: 4 };
  const client = await connectAsync(mosquitto.url, { ...options, protocolVersion: 4 });
  clients.push(client);
  return client;
}

/** Subscribes and keeps the topics that arrive. */
async function listen(client: MqttClient, filters: string[]): Promise<string[]> {
  const heard: string[] = [];
  client.on('message', (topic) => void heard.push(topic));
  await client.subscribeAsync(filters, { qos: 1 });
  return heard;
}

beforeAll(async () => {
  const options = { metrics: createMetrics(), log: createLog('silent'), clock: Date.now };
  const policy = await loadPolicy(options);
  const { access, faults } = exportAccess(policy, PRINCIPALS, Date.now());
  expect(faults).toEqual([]);
  const origin = { revision: policy.revision, nowMs: Date.now(), ingester: 'tailrace' };
  const users = [...PRINCIPALS.map(({ username }) => username), 'tailrace', 'unknown'];
  mosquitto = await startMosquitto({
    // With 0, mosquitto 2.0.11 closes a connection soon after a refused publish instead of acknowledging it.
    lines: ['max_queued_messages 100000'],
    acl: mosquittoAcl(access, origin),
    credentials: users.map((username) => ({ username, password: `${username}!` })),
  });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync()));
});

afterAll(() => mosquitto.remove());

describe('an exported ACL on mosquitto', () => {
  it.each(Object.entries(ALLOWED))('lets %s publish what the policy says', async (user, topics) => {
    const heard = await listen(await connectAs('tailrace'), ['t/#', 'elsewhere', '$SYS/x']);
    const device = await connectAs(user);
    for (const topic of TOPICS) await device.publishAsync(topic, '1', { qos: 1 });
    // The broker hands on in the order in which it received: what comes after the marker came after all of them.
    const gateway = await connectAs('gateway');
    await gateway.publishAsync('t/acme/marker/x', '1', { qos: 1 });
    await eventually(
      async () => heard,
      (topics) => topics.includes('t/acme/marker/x'),
    );
    expect(heard.slice(0, -1)).toEqual(topics);
  });

  it.each(Object.entries(ALLOWED))('lets %s hear what the policy says', async (user, topics) => {
    const listener = await connectAs(user);
    const heard = await listen(listener, ['#', '$SYS/x', ...TOPICS]);
    for (const sender of ['gateway', 'stranger']) {
      const client = await connectAs(sender);
      for (const topic of TOPICS) await client.publishAsync(topic, '1', { qos: 1 });
    }
    // Its answer to another subscription comes after whatever it has sent before.
    await listener.subscribeAsync('fence');
    expect([...new Set(heard)].sort()).toEqual([...topics].sort());
  });

  it('shares among the ingesters of a group, and lets tailrace itself publish nothing', async () => {
    const ingester = await connectAs('tailrace');
    const heard = await listen(ingester, ['$share/tailrace/t/#']);
    await ingester.publishAsync('t/acme/rig-1/flow', '1', { qos: 1 });
    const gateway = await connectAs('gateway');
    await gateway.publishAsync('t/acme/rig-1/marker', '1', { qos: 1 });
    await eventually(
      async () => heard,
      (topics) => topics.includes('t/acme/rig-1/marker'),
    );
    expect(heard).toEqual(['t/acme/rig-1/marker']);
  });

  it('lets a user without lines, and nobody, do nothing', async () => {
    const heard = await listen(await connectAs('tailrace'), ['t/#']);
    const unknown = await connectAs('unknown');
    const told = await listen(unknown, ['#']);
    await unknown.publishAsync('t/acme/rig-1/flow', '1', { qos: 1 });
    const gateway = await connectAs('gateway');
    await gateway.publishAsync('t/acme/marker/x', '1', { qos: 1 });
    await eventually(
      async () => heard,
      (topics) => topics.includes('t/acme/marker/x'),
    );
    expect(heard).toEqual(['t/acme/marker/x']);
    await unknown.subscribeAsync('fence');
    expect(told).toEqual([]);
    await expect(connectAsync(mosquitto.url, { reconnectPeriod: 0 })).rejects.toThrow(
      /not authorized/i,
    );
  });
});
