// The command line as a script would use it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand, withDataDir } from '../program.ts';

test.each([
  { args: ['--help'], status: 0, says: 'start' },
  { args: ['migrate', '--help'], status: 0, says: 'status' },
  { args: ['token', '--help'], status: 0, says: '--tenant' },
  { args: ['--version'], status: 0, says: '0.1.0' },
  { args: [], status: 2, says: '' },
  { args: ['nonsense'], status: 2, says: '' },
  { args: ['token'], status: 2, says: '' },
  { args: ['token', '--tenant', 't', '--role', 'viewer', '--ttl', 'soon'], status: 2, says: '' },
  { args: ['start', '--nonsense'], status: 2, says: '' },
])('tailrace $args ends with $status', async ({ args, status, says }) => {
  const result = await runCommand(args, {});
  expect(result.status, result.stderr).toBe(status);
  expect(result.stdout).toContain(says);
  if (status !== 0) expect(result.stderr).not.toBe('');
});

test('a wrong environment is told whole, by variable, before anything starts', async () => {
  const result = await runCommand(['start'], {
    HTTP_PORT: 'x',
    MQTT_URL: 'nowhere',
    LOG_LEVEL: '1',
  });
  expect(result.status).toBe(2);
  for (const name of ['HTTP_PORT', 'MQTT_URL', 'LOG_LEVEL']) expect(result.stderr).toContain(name);
});

test.each(['ingest', 'query'])('tailrace %s alone names the URLs that it needs', async (half) => {
  const result = await runCommand([half], {});
  expect(result.status).toBe(2);
  for (const name of ['DATABASE_URL', 'MQTT_URL', 'REDIS_URL'])
    expect(result.stderr).toContain(name);
});

test('the configuration is shown with its secrets masked', async () => {
  const result = await runCommand(['config', '--json'], { REDIS_URL: 'redis://u:hunter2@cache/0' });
  expect(result.status).toBe(0);
  expect(result.stdout).not.toContain('hunter2');
  expect(JSON.parse(result.stdout)).toMatchObject({ HTTP_PORT: 8080 });
});

test('a token carries what was asked for, with the same subject each time', async () => {
  await withDataDir(async (dataDir) => {
    const issue = async () => {
      const { status, stdout, stderr } = await runCommand(
        [
          'token',
          '--tenant',
          'acme',
          '--role',
          'viewer',
          '--ttl',
          '5m',
          '--claim',
          'assets=["rig-1"]',
          '--claim',
          'note=x',
        ],
        { DATA_DIR: dataDir },
      );
      expect(status, stderr).toBe(0);
      const payload = stdout.trim().split('.')[1] ?? '';
      return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    };
    const [first, second] = [await issue(), await issue()];
    expect(first).toMatchObject({
      tenant: 'acme',
      roles: ['viewer'],
      assets: ['rig-1'],
      note: 'x',
    });
    expect(Number(first.exp) - Number(first.iat)).toBe(300);
    expect(second.sub).toBe(first.sub);
    expect(second.jti).not.toBe(first.jti);
  });
});

test('with JWKS configured there is nobody to sign, and the command says so', async () => {
  await withDataDir(async (dataDir) => {
    const keys = join(dataDir, 'jwks.json');
    writeFileSync(keys, '{"keys":[]}');
    const result = await runCommand(['token', '--tenant', 'a', '--role', 'viewer'], {
      DATA_DIR: dataDir,
      JWKS_FILE: keys,
    });
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('JWKS');
  });
});

test('migrate brings an empty folder up to date, once, and status says so', async () => {
  await withDataDir(async (dataDir) => {
    const env = { DATA_DIR: dataDir };
    const before = await runCommand(['migrate', 'status', '--json'], env);
    expect(before.status, before.stderr).toBe(0);
    const states = (text: string) => (JSON.parse(text) as { state: string }[]).map((m) => m.state);
    expect(new Set(states(before.stdout))).toEqual(new Set(['pending']));
    const applied = await runCommand(['migrate', '--json'], env);
    expect(JSON.parse(applied.stdout)).toMatchObject({
      applied: expect.arrayContaining(['0001_readings.sql']),
    });
    const again = await runCommand(['migrate', '--json'], env);
    expect(JSON.parse(again.stdout)).toEqual({ applied: [] });
    const after = await runCommand(['migrate', 'status', '--json'], env);
    expect(new Set(states(after.stdout))).toEqual(new Set(['applied']));
  });
});

test('a data folder that cannot be used is refused with a sentence', async () => {
  await withDataDir(async (dataDir) => {
    const file = join(dataDir, 'not-a-folder');
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(file, '');
    const result = await runCommand(['migrate'], { DATA_DIR: file });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(file);
  });
});
