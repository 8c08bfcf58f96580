// `tailrace token` as a user runs it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { describe, expect, it, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { createTokenVerifier } from '../policies/tokens/verifier.ts';
import { runCommand, withDataDir } from '../test/program.ts';
import { tokenCommand } from './token.ts';

const ORDER = ['token', '--tenant', 'acme', '--role', 'viewer'];

describe('tailrace token', () => {
  it('prints a token that the key in DATA_DIR verifies', () =>
    withDataDir(async (dataDir) => {
      const { status, stdout } = await runCommand(ORDER, { DATA_DIR: dataDir });
      expect(status).toBe(0);
      const verifier = await createTokenVerifier({
        keys: { kind: 'local', key: await openSigningKey(dataDir) },
        profile: {
          issuers: ['tailrace'],
          audiences: ['tailrace'],
          tenantClaim: 'tenant',
          rolesClaim: 'roles',
        },
        clock: Date.now,
        metrics: createMetrics(),
        log: createLog('silent'),
      });
      const claims = await verifier.verify(stdout.trim());
      expect(claims).toMatchObject({ sub: 'acme/viewer', tenant: 'acme', roles: ['viewer'] });
      expect(claims.exp - Number(claims.iat)).toBe(3600);
    }));

  it('takes roles, a duration and claims, whose values are JSON or else text', () =>
    withDataDir(async (dataDir) => {
      const more = ['--role', 'device', '--ttl', '15m', '--json'];
      const given = ['--claim', 'assets=["rig-1"]', '--claim', 'note=a=b', '--claim', 'n=7'];
      const { stdout } = await runCommand([...ORDER, ...more, ...given], { DATA_DIR: dataDir });
      const { token, expires_at, claims } = JSON.parse(stdout);
      expect(decodeJwt(token)).toEqual(claims);
      expect(claims).toMatchObject({
        roles: ['viewer', 'device'],
        assets: ['rig-1'],
        note: 'a=b',
        n: 7,
      });
      expect(claims.exp - claims.iat).toBe(900);
      expect(expires_at).toBe(claims.exp * 1000);
    }));

  it('warns of a role that the policy does not know, and makes the token nevertheless', () =>
    withDataDir(async (dataDir) => {
      const args = [...ORDER, '--role', 'nosuch'];
      const { status, stdout, stderr } = await runCommand(args, { DATA_DIR: dataDir });
      expect(status).toBe(0);
      expect(decodeJwt(stdout.trim())).toMatchObject({ roles: ['viewer', 'nosuch'] });
      expect(stderr).toMatch(/knows no role nosuch; it has .*viewer/);
    }));

  it('is made for no longer than tokens may be, and for the first issuer and audience', () =>
    withDataDir(async (dataDir) => {
      const env = {
        DATA_DIR: dataDir,
        JWT_LIFETIME_MAX: '30m',
        JWT_ISSUER: 'here, there',
        JWT_AUDIENCE: 'readings,other',
      };
      const { stdout, stderr } = await runCommand([...ORDER, '--json'], env);
      expect(stderr).toBe('');
      const { claims } = JSON.parse(stdout);
      expect(claims).toMatchObject({ iss: 'here', aud: 'readings' });
      expect(claims.exp - claims.iat).toBe(1_800);
      const longer = await runCommand([...ORDER, '--ttl', '1h'], env);
      expect(longer).toMatchObject({ status: 2, stdout: '' });
      expect(longer.stderr).toMatch(/JWT_LIFETIME_MAX/);
    }));

  it('refuses where a JWKS is configured', () =>
    withDataDir(async (dataDir) => {
      const path = join(dataDir, 'jwks.json');
      await writeFile(path, '{"keys":[]}');
      const env = { DATA_DIR: dataDir, JWKS_FILE: path };
      const { status, stdout, stderr } = await runCommand(ORDER, env);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(/JWKS/);
    }));

  it('ends with status 2 where the roles come as a claim', () =>
    withDataDir(async (dataDir) => {
      const args = [...ORDER, '--claim', 'roles=["admin"]'];
      const { status, stdout, stderr } = await runCommand(args, { DATA_DIR: dataDir });
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(/option of its own/);
    }));

  // In this process: starting a program for each would take a second apiece.
  const WRONG: readonly (readonly [what: string, args: readonly string[], words: RegExp])[] = [
    ['no tenant', ['--role', 'viewer'], /--tenant/],
    ['no role', ['--tenant', 'acme'], /--role/],
    ['a tenant with a slash', ['--tenant', 'a/b', '--role', 'viewer'], /no slash/],
    ['a duration without a unit', ['--ttl', '60'], /15m/],
    ['a duration of nothing', ['--ttl', '0s'], /15m/],
    ['a claim without a value', ['--claim', 'assets'], /name=value/],
    ['an unknown option', ['--tenant', 'acme', '--role', 'viewer', '--forever'], /--forever/],
  ];
  test.each(WRONG)('refuses %s as wrong usage', async (_what, args, words) => {
    const command = tokenCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    const parsed = command.parseAsync([...args], { from: 'user' });
    await expect(parsed).rejects.toThrow(
      expect.objectContaining({ name: 'CommanderError', message: expect.stringMatching(words) }),
    );
  });
});
