// `tailrace policy export` as an operator runs it.
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shippedBundlePath } from '../../policies/bundles/bundle.ts';
import { runCommand, withDataDir } from '../../test/program.ts';

const PLC = { username: 'plc-7', claims: { tenant: 'acme', roles: ['device'], device: 'rig-7' } };

function exportFor(
  broker: string,
  principals: unknown,
  more: readonly string[] = [],
  keys?: string,
) {
  return withDataDir(async (dataDir) => {
    const file = join(dataDir, 'principals.json');
    await writeFile(file, JSON.stringify(principals));
    const args = ['policy', 'export', broker, '--principals', file, ...more];
    if (keys === undefined) return runCommand(args, { DATA_DIR: dataDir });
    const POLICY_KEYS = join(dataDir, 'keys.pem');
    await writeFile(POLICY_KEYS, keys);
    return runCommand(args, { DATA_DIR: dataDir, POLICY_BUNDLE: shippedBundlePath(), POLICY_KEYS });
  });
}

describe('tailrace policy export', () => {
  it('writes an acl_file for mosquitto', async () => {
    const { status, stdout } = await exportFor('mosquitto', [PLC], ['--ingester', 'tailrace']);
    expect(status).toBe(0);
    const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines).toEqual([
      'user tailrace',
      'topic read t/#',
      'topic read spBv1.0/#',
      'user plc-7',
      'topic write t/acme/rig-7/#',
      'topic read t/acme/rig-7/#',
    ]);
  });

  it('writes an acl.conf for EMQX', async () => {
    const { status, stdout } = await exportFor('emqx', PLC);
    expect(status).toBe(0);
    const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('%%'));
    expect(lines).toEqual([
      '{allow, {username, "plc-7"}, publish, ["t/acme/rig-7/#"]}.',
      '{allow, {username, "plc-7"}, subscribe, ["t/acme/rig-7/#"]}.',
      '{deny, all}.',
    ]);
  });

  it('writes nothing where a name cannot stand in a topic, and says whose', async () => {
    const wrong = { username: 'plc-8', claims: { ...PLC.claims, device: 'rig/#' } };
    const { status, stdout, stderr } = await exportFor('mosquitto', [PLC, wrong]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/user plc-8, publish: the asset "rig\/#" has a slash/);
    expect(stderr).not.toContain('plc-7');
  });

  it('takes no bundle that a running process would not take', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const { status, stdout, stderr } = await exportFor('mosquitto', [PLC], [], keys);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/it is not signed/);
  });

  it('knows two kinds of brokers', async () => {
    const { status, stderr } = await exportFor('hivemq', [PLC]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/mosquitto, emqx/);
  });
});
