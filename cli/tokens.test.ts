// Which tokens a configuration takes, with keys on a real server.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../lib/config.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { type KeyServer, makeKey, startKeyServer, type TestKey } from '../test/key-server.ts';
import { eventually } from '../test/program.ts';
import { inspectKeys, openTokens, signsLocally, tokenProfile } from './tokens.ts';

let folder: string;
let first: TestKey;
let second: TestKey;
let ours: KeyServer;
let theirs: KeyServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-tokens-'));
  [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('EdDSA', 'second')]);
  [ours, theirs] = await Promise.all([startKeyServer(first.jwk), startKeyServer(second.jwk)]);
});
afterAll(async () => {
  await Promise.all([ours.stop(), theirs.stop(), rm(folder, { recursive: true })]);
});

/** Whether a token of each kind is taken: of the local key, of `ours`, of `theirs`, each as the issuer said. */
async function taken(env: Record<string, string>, issuers: readonly [string, string, string]) {
  const config = readConfig({ DATA_DIR: folder, ...env });
  const options = { metrics: createMetrics(), log: createLog('silent') };
  const verifier = await openTokens(config, options);
  const nowMs = Date.now();
  const [local, ofOurs, ofTheirs] = issuers;
  const order = { tenant: 'acme', roles: [], ttlS: 60, nowMs, claims: { iss: local } };
  const claims = { sub: 's', aud: 'tailrace', tenant: 'acme', exp: nowMs / 1_000 + 60 };
  const tokens = [
    (await issueToken(await openSigningKey(folder), tokenProfile(config), order)).token,
    await first.sign({ ...claims, iss: ofOurs }),
    await second.sign({ ...claims, iss: ofTheirs }),
  ];
  const outcomes = tokens.map((token) =>
    verifier.verify(token).then(
      () => true,
      () => false,
    ),
  );
  return { taken: await Promise.all(outcomes), local: signsLocally(config) };
}

describe('tokens are taken', () => {
  it('of the local key, where nothing is configured', async () => {
    const found = await taken({}, ['tailrace', 'tailrace', 'tailrace']);
    expect(found).toEqual({ taken: [true, false, false], local: true });
  });

  it('of each issuer by its own key set', async () => {
    const env = { JWT_ISSUER: 'a,b', JWKS_URL: `${ours.url}/jwks.json,${theirs.url}/jwks.json` };
    expect(await taken(env, ['a', 'a', 'b'])).toEqual({ taken: [false, true, true], local: false });
    expect(await taken(env, ['a', 'b', 'a'])).toEqual({
      taken: [false, false, false],
      local: false,
    });
  });

  it('of several issuers by one key set', async () => {
    const env = { JWT_ISSUER: 'a,b', JWKS_URL: `${ours.url}/jwks.json` };
    expect(await taken(env, ['a', 'a', 'a'])).toEqual({
      taken: [false, true, false],
      local: false,
    });
    expect((await taken(env, ['a', 'b', 'b'])).taken).toEqual([false, true, false]);
  });

  it('of the issuer that the page signs in at, beside those of the local key', async () => {
    const env = { OIDC_ISSUER: ours.url, OIDC_CLIENT_ID: 'page' };
    expect(await taken(env, ['tailrace', ours.url, ours.url])).toEqual({
      taken: [true, true, false],
      local: true,
    });
    // The local key signs for its own issuer only.
    expect((await taken(env, [ours.url, 'tailrace', 'tailrace'])).taken).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('of that issuer alone, where it is the only one', async () => {
    const env = { OIDC_ISSUER: ours.url, OIDC_CLIENT_ID: 'page', JWT_ISSUER: ours.url };
    expect(await taken(env, [ours.url, ours.url, 'tailrace'])).toEqual({
      taken: [false, true, false],
      local: false,
    });
  });

  it('of that issuer by the key set given for it', async () => {
    const env = {
      ...{ OIDC_ISSUER: 'https://id.example', OIDC_CLIENT_ID: 'page' },
      ...{ JWT_ISSUER: 'https://id.example', JWKS_URL: `${theirs.url}/jwks.json` },
    };
    expect((await taken(env, ['x', 'x', 'https://id.example'])).taken).toEqual([
      false,
      false,
      true,
    ]);
  });
});

describe('where keys are', () => {
  const log = createLog('silent');
  const inspect = (env: Record<string, string>) =>
    inspectKeys(readConfig({ DATA_DIR: folder, ...env }), log);

  it('is said with how many there are', async () => {
    expect(await inspect({})).toBe('a key of our own');
    expect(await inspect({ JWKS_URL: `${ours.url}/jwks.json` })).toBe(`1 of ${ours.url}/jwks.json`);
  });

  it.each([
    ['a file that is not there', { JWKS_FILE: '/does/not/exist.json' }, '/does/not/exist.json'],
    ['a server that is not there', { JWKS_URL: 'http://127.0.0.1:9/jwks' }, '127.0.0.1:9/jwks'],
  ])('is named where they cannot be had: %s', async (_, env, named) => {
    await expect(inspect(env)).rejects.toThrow(named);
  });

  it('counts for readiness, issuer by issuer', async () => {
    const env = { JWT_ISSUER: 'a,b', JWKS_URL: `${ours.url}/jwks.json,http://127.0.0.1:9/jwks` };
    const verifier = await openTokens(readConfig(env), { metrics: createMetrics(), log });
    await eventually(
      async () => verifier.issuers(),
      (found) => found.usable === 1,
    );
    expect(verifier.issuers()).toEqual({ all: 2, usable: 1 });
  });
});
