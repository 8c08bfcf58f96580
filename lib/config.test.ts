import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { maskConfig, readConfig } from './config.ts';
import { TailraceError } from './errors.ts';

function faultsOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof TailraceError) return error.details.faults as string[];
    throw error;
  }
  return [];
}

test('an empty environment is a complete configuration with embedded stand-ins', () => {
  const config = readConfig({});
  expect(config.HTTP_PORT).toBe(8080);
  expect(config.MQTT_PORT).toBe(1883);
  expect(config.HTTP_HOST).toBe('127.0.0.1');
  expect(config.MQTT_ANONYMOUS).toBe('no');
  expect(config.DATABASE_URL).toBeUndefined();
});

test('an empty variable is an unset one', () => {
  expect(readConfig({ HTTP_PORT: '', REDIS_URL: '' }).HTTP_PORT).toBe(8080);
});

test.each([
  [{ HTTP_PORT: 'eighty' }, ['HTTP_PORT']],
  [{ MQTT_PORT: '65536' }, ['MQTT_PORT']],
  [{ DATABASE_URL: 'mysql://x/y' }, ['DATABASE_URL']],
  [{ MQTT_URL: 'localhost:1883' }, ['MQTT_URL']],
  [{ LOG_LEVEL: 'loud' }, ['LOG_LEVEL']],
  [{ ROLLUP_FAMILIES: 'path' }, ['ROLLUP_FAMILIES']],
  [{ ROLLUP_FAMILIES: 'm4,paths' }, ['ROLLUP_FAMILIES']],
  [{ CORS_ORIGINS: 'https://a.example/path' }, ['CORS_ORIGINS']],
  [{ MQTT_ANONYMOUS: 'yes' }, ['MQTT_ANONYMOUS']],
  [{ DATABASE_READ_URL: 'postgres://replica/db' }, ['DATABASE_READ_URL']],
  [{ MQTT_SHARE_GROUP: 'a' }, ['MQTT_SHARE_GROUP']],
  [{ JWKS_URL: 'https://a.example/jwks', JWKS_FILE: 'b.json' }, ['JWKS_FILE']],
  [{ JWKS_URL: 'https://a.example/jwks,https://b.example/jwks' }, ['JWKS_URL']],
  [{ POLICY_BUNDLE: 'ftp://a.example/bundle' }, ['POLICY_BUNDLE']],
  [{ POLICY_SCOPE: 'production' }, ['POLICY_SCOPE']],
  [{ POLICY_AGE_MAX: '86400000' }, ['POLICY_AGE_MAX']],
  [{ OIDC_ISSUER: 'https://a.example' }, ['OIDC_CLIENT_ID']],
  [{ LIMIT_SUBJECT_TAILS: '0' }, ['LIMIT_SUBJECT_TAILS']],
  [{ DATABASE_URL_FILE: '/does/not/exist' }, ['DATABASE_URL_FILE']],
  [{ HTTP_PORT: 'x', REDIS_URL: 'y', LOG_LEVEL: 'z' }, ['HTTP_PORT', 'REDIS_URL', 'LOG_LEVEL']],
])('%j is refused by name, every fault at once', (env, names) => {
  const faults = faultsOf(env as unknown as Record<string, string>);
  expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual([...names].sort());
});

test('lists and durations are read, and a token for bundles is masked', () => {
  const config = readConfig({
    JWT_ISSUER: 'a, b',
    JWKS_URL: 'https://a.example/jwks,https://b.example/jwks',
    POLICY_AGE_MAX: '15m',
    POLICY_BUNDLE_TOKEN: 's3cret',
  });
  expect(config.JWT_ISSUER).toEqual(['a', 'b']);
  expect(config.JWKS_URL).toHaveLength(2);
  expect(config.POLICY_AGE_MAX).toBe(900_000);
  expect(JSON.stringify(maskConfig(config))).not.toContain('s3cret');
});

test('a secret can stand in a file, and is masked where it is shown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-config-'));
  try {
    const file = join(folder, 'url');
    writeFileSync(file, 'postgres://writer:s3cret@db.example/telemetry\n');
    const config = readConfig({ DATABASE_URL_FILE: file });
    expect(config.DATABASE_URL).toBe('postgres://writer:s3cret@db.example/telemetry');
    expect(JSON.stringify(maskConfig(config))).not.toContain('s3cret');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
