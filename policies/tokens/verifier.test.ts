// Tokens: what is verified, what is refused in which words, and what is kept.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { TailraceError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { issueToken } from './issue.ts';
import type { Revocation } from './revocations.ts';
import { openSigningKey, type SigningKey } from './signing-key.ts';
import { bearerToken, createTokenVerifier, type TokenKeys, type TokenProfile } from './verifier.ts';

const log = createLog('silent');
const NOW_MS = 1_700_000_000_000;
const NOW_S = NOW_MS / 1000;
const PROFILE: TokenProfile = {
  issuers: ['tailrace'],
  audiences: ['tailrace'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};
const ORDER = { tenant: 'acme', roles: ['viewer'], ttlS: 3600, nowMs: NOW_MS };
const GOOD = {
  sub: 's',
  iss: 'tailrace',
  aud: 'tailrace',
  exp: NOW_S + 60,
  tenant: 'acme',
  roles: ['viewer'],
};

let folder: string;
let key: SigningKey;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-tokens-'));
  key = await openSigningKey(folder);
});
afterAll(() => rm(folder, { recursive: true }));

function verifierOf(keys: TokenKeys, more: { profile?: TokenProfile; nowMs?: () => number } = {}) {
  const { profile = PROFILE, nowMs = () => NOW_MS } = more;
  return createTokenVerifier({ keys, profile, clock: nowMs, metrics: createMetrics(), log });
}

function sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header })
    .sign(key.privateKey);
}

async function refusal(verified: Promise<unknown>): Promise<TailraceError> {
  const thrown: unknown = await verified.then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  );
  if (thrown instanceof TailraceError) return thrown;
  throw thrown;
}

describe('a token of the local key', () => {
  it('says what it was ordered to say', async () => {
    const order = {
      ...ORDER,
      roles: ['viewer', 'device', 'viewer'],
      claims: { assets: ['rig-1'] },
    };
    const { token } = await issueToken(key, PROFILE, order);
    const verifier = await verifierOf({ kind: 'local', key });
    expect(await verifier.verify(token)).toEqual({
      sub: 'acme/device+viewer',
      tenant: 'acme',
      roles: ['viewer', 'device'],
      iss: 'tailrace',
      aud: 'tailrace',
      iat: NOW_S,
      exp: NOW_S + 3600,
      jti: expect.any(String),
      assets: ['rig-1'],
    });
  });

  it('has the subject of its tenant and roles, and an id of its own', async () => {
    const [first, second] = [
      await issueToken(key, PROFILE, { ...ORDER, roles: ['viewer', 'device'] }),
      await issueToken(key, PROFILE, { ...ORDER, roles: ['device', 'viewer'] }),
    ];
    expect(first.claims.sub).toBe(second.claims.sub);
    expect(first.claims.jti).not.toBe(second.claims.jti);
  });

  it('says tenant and roles under the names that are configured', async () => {
    const profile = { ...PROFILE, tenantClaim: 'org', rolesClaim: 'groups' };
    const { token, claims } = await issueToken(key, profile, ORDER);
    expect(claims).toMatchObject({ org: 'acme', groups: ['viewer'] });
    const verifier = await verifierOf({ kind: 'local', key }, { profile });
    expect(await verifier.verify(token)).toMatchObject({ tenant: 'acme', roles: ['viewer'] });
    const again = issueToken(key, profile, { ...ORDER, claims: { groups: ['admin'] } });
    expect((await refusal(again)).code).toBe('usage');
  });

  const { exp: _exp, ...withoutExp } = GOOD;
  const { sub: _sub, ...withoutSub } = GOOD;
  const REFUSED: readonly (readonly [
    what: string,
    claims: Record<string, unknown>,
    words: RegExp,
  ])[] = [
    ['no exp', withoutExp, /has no claim exp/],
    ['an exp that is text', { ...GOOD, exp: 'soon' }, /claim exp that does not fit/],
    ['no sub', withoutSub, /has no claim sub/],
    ['an empty sub', { ...GOOD, sub: '' }, /has no claim sub/],
    ['another issuer', { ...GOOD, iss: 'x' }, /claim iss that does not fit/],
    ['another audience', { ...GOOD, aud: 'x' }, /claim aud that does not fit/],
    ['a time before which it is not good', { ...GOOD, nbf: NOW_S + 60 }, /claim nbf/],
    ['no tenant', { ...GOOD, tenant: undefined }, /no text in its claim tenant/],
    ['an empty tenant', { ...GOOD, tenant: '' }, /no text in its claim tenant/],
    ['a list of tenants', { ...GOOD, tenant: ['acme'] }, /no text in its claim tenant/],
    ['roles as text', { ...GOOD, roles: 'admin' }, /no list of names in its claim roles/],
    ['roles that are numbers', { ...GOOD, roles: [1] }, /no list of names in its claim roles/],
  ];
  test.each(REFUSED)('is refused with %s', async (_what, claims, words) => {
    const verifier = await verifierOf({ kind: 'local', key });
    const error = await refusal(verifier.verify(await sign(claims)));
    expect(error.code).toBe('token_invalid');
    expect(error.message).toMatch(words);
  });

  it('has no roles where it names none', async () => {
    const verifier = await verifierOf({ kind: 'local', key });
    const claims = await verifier.verify(await sign({ ...GOOD, roles: undefined }));
    expect(claims.roles).toEqual([]);
  });

  it('is taken until five seconds after its exp, kept or not', async () => {
    let nowMs = NOW_MS;
    const { token } = await issueToken(key, PROFILE, { ...ORDER, ttlS: 60 });
    const [kept, fresh] = await Promise.all(
      [1, 2].map(() => verifierOf({ kind: 'local', key }, { nowMs: () => nowMs })),
    );
    await kept?.verify(token);
    nowMs = NOW_MS + 64_999;
    await kept?.verify(token);
    nowMs = NOW_MS + 65_000;
    for (const verifier of [kept, fresh]) {
      const error = await refusal(Promise.resolve(verifier?.verify(token)));
      expect(error.code).toBe('token_expired');
      expect(error.message).toContain(new Date(NOW_MS + 60_000).toISOString());
    }
  });

  it('is refused with another signature, key or algorithm', async () => {
    const verifier = await verifierOf({ kind: 'local', key });
    const { token } = await issueToken(key, PROFILE, ORDER);
    const [header, payload, signature] = token.split('.');
    const other = await issueToken(key, PROFILE, { ...ORDER, tenant: 'other' });
    const secret = new TextEncoder().encode('x'.repeat(32));
    const symmetric = new SignJWT(GOOD)
      .setProtectedHeader({ alg: 'HS256', kid: key.kid })
      .sign(secret);
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    const cases: readonly (readonly [string, RegExp])[] = [
      [`${header}.${other.token.split('.')[1]}.${signature}`, /signature that does not verify/],
      [await sign(GOOD, { kid: 'other' }), /key that is not known/],
      [await symmetric, /algorithm that is not allowed/],
      [`${unsigned}.${payload}.`, /token/],
      ['', /no JWT/],
      ['a.b.c', /no JWT/],
      ['x'.repeat(20_000), /too long/],
    ];
    for (const [forged, words] of cases) {
      const error = await refusal(verifier.verify(forged));
      expect(error.code).toBe('token_invalid');
      expect(error.message).toMatch(words);
    }
  });

  it('throws nothing but TailraceError for anything else, and repeats none of it', async () => {
    const verifier = await verifierOf({ kind: 'local', key });
    const { token } = await issueToken(key, PROFILE, ORDER);
    // The last character has bits that no byte of the signature takes, so another may mean the same.
    const letters = fc.string({ unit: fc.constantFrom('A', 'b', '_', '.'), maxLength: 3 });
    const damaged = fc
      .tuple(fc.nat(token.length - 2), letters)
      .map(([at, text]) => token.slice(0, at) + text + token.slice(at + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ minLength: 9 }), damaged), async (text) => {
        fc.pre(text !== token);
        const error = await refusal(verifier.verify(text));
        expect(error.code).toBe('token_invalid');
        expect(error.cause).toBeUndefined();
        expect(error.message).not.toContain(text);
      }),
    );
  });
});

describe('a revoked token', () => {
  const subject = { tenant: 'acme', subject: 's', revokedAtMs: NOW_MS };
  const byId = { tenant: 'acme', tokenId: 'one', revokedAtMs: NOW_MS };
  const CASES: readonly (readonly [
    what: string,
    claims: Record<string, unknown>,
    revocation: Revocation,
    code: string,
  ])[] = [
    ['issued before its subject was revoked', { iat: NOW_S - 1 }, subject, 'token_revoked'],
    ['issued in the second of that', { iat: NOW_S }, subject, 'token_revoked'],
    ['issued after that', { iat: NOW_S + 1 }, subject, 'accepted'],
    ['that does not say when it was issued', {}, subject, 'token_revoked'],
    ['of another subject', { sub: 'other' }, subject, 'accepted'],
    ['of another tenant', { tenant: 'other' }, subject, 'accepted'],
    ['whose id is revoked', { jti: 'one', iat: NOW_S + 1 }, byId, 'token_revoked'],
    ['of another id', { jti: 'two' }, byId, 'accepted'],
    ['without an id', {}, byId, 'accepted'],
    ['whose id is revoked in another tenant', { jti: 'one', tenant: 'other' }, byId, 'accepted'],
    ['whose subject is called like a revoked id', { sub: 'one' }, byId, 'accepted'],
  ];
  test.each(CASES)(
    '%s is looked up each time, kept or not',
    async (_what, claims, revocation, code) => {
      const token = await sign({ ...GOOD, ...claims });
      const [kept, fresh] = await Promise.all([1, 2].map(() => verifierOf({ kind: 'local', key })));
      await kept?.verify(token);
      for (const verifier of [kept, fresh]) {
        verifier?.revocations.add(revocation);
        const outcome = await verifier?.verify(token).then(
          () => 'accepted',
          (thrown: TailraceError) => thrown.code,
        );
        expect(outcome).toBe(code);
        // Whoever knows a token excuses its bearer from limits.
        expect(verifier?.knows(token)).toBe(code === 'accepted');
      }
    },
  );

  it('is told of once, and again where more are covered', async () => {
    const { revocations } = await verifierOf({ kind: 'local', key });
    let heard = 0;
    const end = revocations.onAdded(() => {
      heard += 1;
    });
    revocations.add(subject);
    revocations.add(subject);
    revocations.add({ ...subject, revokedAtMs: NOW_MS - 1 });
    revocations.add({ ...subject, revokedAtMs: NOW_MS + 1 });
    end();
    revocations.add(byId);
    expect(heard).toBe(2);
    expect(revocations.size).toBe(2);
  });
});

describe('the cache of verified tokens', () => {
  it('keeps so many and no more', async () => {
    const metrics = createMetrics();
    const keys = { kind: 'local', key } as const;
    const cacheMax = 3;
    const verifier = await createTokenVerifier({
      ...{ keys, profile: PROFILE, clock: () => NOW_MS, metrics, log, cacheMax },
    });
    for (let n = 0; n < 5; n += 1) {
      const { token } = await issueToken(key, PROFILE, ORDER);
      await verifier.verify(token);
    }
    expect(await metrics.exposition()).toContain('tailrace_token_cache_size 3');
    expect(await metrics.exposition()).toContain('tailrace_token_cache_max 3');
  });
});

describe('bearerToken', () => {
  it('takes the token of the header', () => {
    expect(bearerToken('Bearer a.b-c_d')).toBe('a.b-c_d');
    expect(bearerToken('bearer  a.b')).toBe('a.b');
  });

  test.each([
    [undefined, 'token_missing'],
    [' ', 'token_missing'],
    ['Basic abc', 'token_invalid'],
    ['Bearer', 'token_invalid'],
    ['Bearer a b', 'token_invalid'],
  ])('refuses %j as %s', (header, code) => {
    expect(() => bearerToken(header)).toThrow(expect.objectContaining({ code }));
  });
});

describe('the signing key', () => {
  it('is one for all who open it at once, and only its owner’s', async () => {
    const dataDir = join(folder, 'new', 'data');
    const keys = await Promise.all(Array.from({ length: 8 }, () => openSigningKey(dataDir)));
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(['signing-key.json']);
    expect((await stat(join(dataDir, 'signing-key.json'))).mode & 0o777).toBe(0o600);
  });

  it('is refused where its file holds none, without repeating the file', async () => {
    const dataDir = await mkdtemp(join(folder, 'bad-'));
    for (const text of ['', '{"d":"secret"}', '[]']) {
      await writeFile(join(dataDir, 'signing-key.json'), text);
      const error = await refusal(openSigningKey(dataDir));
      expect(error.code).toBe('signing_key_invalid');
      expect(error.message).not.toContain('secret');
    }
  });
});

describe('a token of a JWKS', () => {
  async function foreign(alg: string) {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    const jwk = { ...(await exportJWK(publicKey)), kid: `kid-${alg}`, alg };
    const token = await new SignJWT({ ...GOOD, iss: 'https://id.example' })
      .setProtectedHeader({ alg, kid: jwk.kid })
      .sign(privateKey);
    return { jwk, token };
  }
  const profile = { ...PROFILE, issuers: ['https://id.example'] };

  test.each(['ES256', 'EdDSA', 'RS256', 'PS256'])(
    'is verified with %s from a file',
    async (alg) => {
      const { jwk, token } = await foreign(alg);
      const path = join(folder, `jwks-${alg}.json`);
      await writeFile(path, JSON.stringify({ keys: [jwk] }));
      const verifier = await verifierOf({ kind: 'file', path }, { profile });
      expect(await verifier.verify(token)).toMatchObject({ sub: 's', tenant: 'acme' });
      const { token: own } = await issueToken(key, profile, ORDER);
      expect((await refusal(verifier.verify(own))).code).toBe('token_invalid');
    },
  );

  it('needs a file that holds one', async () => {
    const path = join(folder, 'no-jwks.json');
    await writeFile(path, '{}');
    for (const wrong of [path, join(folder, 'absent.json')]) {
      const error = await refusal(verifierOf({ kind: 'file', path: wrong }));
      expect(error.code).toBe('jwks_invalid');
    }
    expect(await readFile(path, 'utf8')).toBe('{}');
  });
});
