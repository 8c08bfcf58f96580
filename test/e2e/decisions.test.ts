// The log of decisions of a running program: devices and requests, over a kill, and for the gate before other rules.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { expect, test } from 'vitest';
import { shippedBundlePath } from '../../policies/bundles/bundle.ts';
import { makeBundle } from '../bundles.ts';
import {
  eventually,
  issueToken,
  type Program,
  runCommand,
  startProgram,
  withDataDir,
} from '../program.ts';

interface Shown {
  readonly id: string;
  readonly action: string;
  readonly allowed: boolean;
}

async function ask(program: Program, token: string, path: string): Promise<Response> {
  return fetch(program.httpUrl + path, { headers: { authorization: `Bearer ${token}` } });
}

async function decisions(program: Program, admin: string, query = ''): Promise<Shown[]> {
  const response = await ask(program, admin, `/v1/decisions?${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { decisions: Shown[] }).decisions;
}

test('what was decided outlives a kill, and can be decided again by other rules', async () => {
  await withDataDir(async (dataDir) => {
    const first = await startProgram({ dataDir });
    const device = await issueToken(dataDir, { tenant: 'acme', role: 'device' });
    const viewer = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
    const admin = await issueToken(dataDir, { tenant: 'acme', role: 'admin' });
    const client = await mqtt.connectAsync(first.mqttUrl ?? '', {
      ...{ username: 'rig', password: device, reconnectPeriod: 0 },
    });
    for (let i = 0; i < 50; i++) await client.publishAsync('t/acme/rig-1/load', '1', { qos: 1 });
    client.end(true);
    const answer = await ask(first, viewer, '/v1/latest?series=rig-1/load');
    expect(answer.status).toBe(200);
    const id = answer.headers.get('tailrace-decision');
    // Fifty messages, one decision.
    expect(await decisions(first, admin, 'action=publish')).toHaveLength(1);
    const before = await decisions(first, admin);
    expect(before.map((one) => one.id)).toContain(id);
    await first.end('SIGKILL');

    const second = await startProgram({ dataDir, env: { DECISION_LOG: 'denied' } });
    const after = await decisions(second, admin);
    expect(after).toEqual(expect.arrayContaining(before));
    const allowed = await ask(second, viewer, '/v1/series');
    const denied = await ask(second, viewer, '/v1/decisions');
    expect([allowed.status, denied.status]).toEqual([200, 403]);
    const find = async (response: Response) =>
      decisions(second, admin, `id=${response.headers.get('tailrace-decision')}`);
    expect(await find(denied)).toMatchObject([{ allowed: false }]);
    expect(await find(allowed)).toEqual([]);

    const replay = (bundle: string) =>
      runCommand(['policy', 'replay', bundle, '--json'], { DATA_DIR: dataDir });
    const same = await replay(shippedBundlePath());
    expect([same.status, JSON.parse(same.stdout).changes]).toEqual([0, []]);
    const bundle = join(dataDir, 'nobody.tar.gz');
    const no = { allow: false, reason: 'nobody may', series: [], obligations: {} };
    await writeFile(bundle, makeBundle({ answer: no }));
    const other = await replay(bundle);
    const report = JSON.parse(other.stdout);
    expect(other.status).toBe(1);
    expect(report.changed.denied).toBeGreaterThan(2);
    expect(report.changes[0]).toMatchObject({ change: 'denied', after: 'nobody may' });
    const denials = await eventually(
      async () => second.log.filter((line) => line.msg === 'request'),
      (lines) => lines.length > 0,
    );
    const named = denied.headers.get('tailrace-decision');
    expect(denials).toEqual([expect.objectContaining({ status: 403, decision: named })]);
    expect(await second.end()).toBe(0);
  });
});
