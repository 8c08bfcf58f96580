import { hostname } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ClientId, claimClientId } from './client-id.ts';

/** Nobody connects to it: it tells the places of this test from others'. */
const BROKER = `mqtt://test-${process.pid}.invalid:1883`;
const FIRST = `tailrace-${hostname()}`;

const claimed: ClientId[] = [];
afterEach(async () => {
  for (const claim of claimed.splice(0)) await claim.stop();
});

async function claim(group?: string, broker = BROKER): Promise<string> {
  const config = { MQTT_CLIENT_ID: undefined, MQTT_SHARE_GROUP: group };
  const taken = await claimClientId(config, broker);
  claimed.push(taken);
  return taken.clientId;
}

describe('the id of a process at the broker', () => {
  it('is the configured one, whoever else has it', async () => {
    const config = { MQTT_CLIENT_ID: 'mine', MQTT_SHARE_GROUP: undefined };
    expect((await claimClientId(config, BROKER)).clientId).toBe('mine');
    expect((await claimClientId(config, BROKER)).clientId).toBe('mine');
  });

  it('is of the host, another for each process of a group, and the same again afterwards', async () => {
    expect(await claim('g')).toBe(FIRST);
    expect(await claim('g')).toBe(`${FIRST}-2`);
    expect(await claim('g')).toBe(`${FIRST}-3`);
    await claimed[1]?.stop();
    expect(await claim('g')).toBe(`${FIRST}-2`);
  });

  it('is refused to a second process that would take all messages', async () => {
    expect(await claim()).toBe(FIRST);
    await expect(claim()).rejects.toMatchObject({
      code: 'client_id_in_use',
      message: expect.stringContaining('MQTT_SHARE_GROUP'),
    });
    expect(await claim(undefined, `${BROKER}1`)).toBe(FIRST);
  });

  it('has to be configured for a group where the host has no folder to tell who is there', async () => {
    vi.stubEnv('TMPDIR', '/dev/null');
    try {
      await expect(claim('g')).rejects.toMatchObject({ code: 'client_id_unknown' });
      expect(await claim()).toBe(FIRST);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
