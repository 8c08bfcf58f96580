// Signatures as OPA itself made them hold; every way to change what was signed is noticed.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { bundleFiles, fixture, pack, type Signing, sign } from '../../test/bundles.ts';
import { unpackBundle } from './bundle.ts';
import { canonicalJson } from './canonical.ts';
import { readSignatureProfile, verifySignature } from './signature.ts';

const KEYS = {
  ...{ EC: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  ...{ EC384: generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
  ...{ EC521: generateKeyPairSync('ec', { namedCurve: 'P-521' }) },
  ...{ RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  ...{ ED: generateKeyPairSync('ed25519') },
};
const SIGNING: Signing = { key: KEYS.EC.privateKey, algorithm: 'ES256' };

function pem(key: KeyObject): string {
  return String(key.export({ type: 'spki', format: 'pem' }));
}

function profile(keys: string, scope?: string) {
  return { keys, scope };
}

function filesOf(files: Readonly<Record<string, string | Uint8Array>>) {
  return unpackBundle(pack(files));
}

const OWN = profile(pem(KEYS.EC.publicKey));
const holds = (files: ReadonlyMap<string, Uint8Array>, by = OWN) => verifySignature(files, by);

describe('a signature of OPA', () => {
  const es256 = unpackBundle(fixture('es256.tar.gz'));
  const rs256 = unpackBundle(fixture('rs256-scope.tar.gz'));
  const ES256 = fixture('es256.pub.pem').toString();
  const RS256 = fixture('rs256.pub.pem').toString();

  it('holds with its key, alone or among others', async () => {
    await holds(es256, profile(ES256));
    await holds(rs256, profile(RS256 + ES256, 'plant'));
  });

  it('holds for data and manifest that say the same in other words', async () => {
    const data = Buffer.from(es256.get('data.json') ?? '').toString();
    const spaced = data.replaceAll(',"', ' ,\n\t"').replace('été', '\\u00e9t\\u00E9');
    expect(spaced).not.toBe(data);
    await holds(new Map(es256).set('data.json', Buffer.from(spaced)), profile(ES256));
  });

  const REFUSED: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
    ['another key', () => holds(es256), /does not hold/],
    ['its scope where none is wanted', () => holds(rs256, profile(RS256)), /scope is "plant"/],
    [
      'no scope where one is wanted',
      () => holds(es256, profile(ES256, 'plant')),
      /has to be "plant"/,
    ],
    ['another scope', () => holds(rs256, profile(RS256, 'lab')), /has to be "lab"/],
    ['no signature', () => holds(unpackBundle(fixture('unsigned.tar.gz'))), /not signed/],
  ];
  test.each(REFUSED)('is refused with %s', async (_what, verify, words) => {
    await expect(verify()).rejects.toThrow(words);
  });
});

describe('a signature', () => {
  test.each([
    ...[['ES256', 'EC'] as const, ['ES384', 'EC384'] as const, ['ES512', 'EC521'] as const],
    ...[['RS256', 'RSA'] as const, ['RS512', 'RSA'] as const, ['PS256', 'RSA'] as const],
    ...[['EdDSA', 'ED'] as const],
  ])('may be %s, with keys as PEM or as a key set', async (algorithm, kind) => {
    const { privateKey, publicKey } = KEYS[kind];
    const files = filesOf(await sign(bundleFiles(), { key: privateKey, algorithm, kid: 'b' }));
    await holds(files, profile(pem(publicKey)));
    const jwk = publicKey.export({ format: 'jwk' });
    const other = { ...KEYS.EC.publicKey.export({ format: 'jwk' }), kid: 'a' };
    await holds(files, profile(JSON.stringify({ keys: [other, { ...jwk, kid: 'b' }] })));
    await holds(files, profile(JSON.stringify({ keys: [other, { ...jwk, alg: algorithm }] })));
  });

  it('may hash with SHA-384 and SHA-512', async () => {
    for (const hash of ['SHA-384', 'SHA-512']) {
      await holds(filesOf(await sign(bundleFiles(), { ...SIGNING, hash })));
    }
  });

  async function signed(change: Partial<Signing> = {}) {
    return sign(bundleFiles(), { ...SIGNING, ...change });
  }
  const secret = Buffer.from(pem(KEYS.EC.publicKey));
  const REFUSED: readonly (readonly [
    what: string,
    files: () => Promise<Record<string, string | Uint8Array>>,
    words: RegExp,
  ])[] = [
    ['MD5', () => signed({ hash: 'MD5' }), /MD5 is no hash/],
    ['SHA-1', () => signed({ hash: 'SHA-1' }), /SHA-1 is no hash/],
    ['a secret', () => signed({ key: secret, algorithm: 'HS256' }), /does not hold/],
    ['a key of another', () => signed({ key: KEYS.EC384.privateKey, algorithm: 'ES384' }), /hold/],
    ['no algorithm', async () => unsecured(await signed()), /does not hold/],
    ['data changed', async () => ({ ...(await signed()), 'data.json': '{}' }), /data\.json was/],
    ['wasm changed', async () => ({ ...(await signed()), 'policy.wasm': 'x' }), /wasm was changed/],
    ['a file more', async () => ({ ...(await signed()), 'x.rego': '' }), /x\.rego is not listed/],
    [
      'a file less',
      async () => Object.fromEntries(Object.entries(await signed()).slice(1)),
      /data\.json is missing/,
    ],
    ['no token', async () => ({ ...(await signed()), '.signatures.json': '{}' }), /signatures/],
    [
      'two tokens',
      async () => ({ ...(await signed()), '.signatures.json': '{"signatures":["a","b"]}' }),
      /exactly one/,
    ],
    ['a claim of files that is none', () => signed({ claims: { files: 'all' } }), /files/],
  ];
  test.each(REFUSED)('is refused with %s', async (_what, files, words) => {
    await expect(holds(filesOf(await files()))).rejects.toThrow(
      expect.objectContaining({
        code: 'policy_signature_invalid',
        message: expect.stringMatching(words),
      }),
    );
  });
});

/** The same with `alg: none` and an empty signature. */
function unsecured(files: Record<string, string | Uint8Array>) {
  const { signatures } = JSON.parse(String(files['.signatures.json'])) as { signatures: string[] };
  const header = Buffer.from('{"alg":"none"}').toString('base64url');
  const token = `${header}.${signatures[0]?.split('.')[1]}.`;
  return { ...files, '.signatures.json': JSON.stringify({ signatures: [token] }) };
}

describe('POLICY_KEYS', () => {
  const { privateKey } = KEYS.EC;
  test.each([
    ['nothing', '', /no key/],
    ['a private key', String(privateKey.export({ type: 'pkcs8', format: 'pem' })), /private key/],
    ['a secret', '{"keys":[{"kty":"oct","k":"AAAA"}]}', /secret/],
    [
      'a private key as JSON',
      JSON.stringify({ keys: [privateKey.export({ format: 'jwk' })] }),
      /s/,
    ],
    ['a key for HS256', '{"keys":[{"kty":"EC","alg":"HS256"}]}', /HS256/],
    ['too many keys', pem(KEYS.ED.publicKey).repeat(33), /more than 32/],
    ['text', 'key', /no key/],
  ])('refuses %s', async (_what, text, words) => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-keys-'));
    try {
      await writeFile(join(folder, 'keys'), text);
      await expect(readSignatureProfile(join(folder, 'keys'), undefined)).rejects.toThrow(words);
      await expect(readSignatureProfile(join(folder, 'no'), undefined)).rejects.toThrow(
        /no public/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('canonical JSON', () => {
  test.each([
    [
      '{"b":1,"a":[1.50,-0,1e3,12345678901234567890]}',
      '{"a":[1.50,-0,1e3,12345678901234567890],"b":1}',
    ],
    [' [ true , null,"\\u003c\\/\\u007f" ] ', '[true,null,"</\u007f"]'],
    ['{"\\ud83d\\ude00":1,"\\uffee":2}', '{"\uffee":2,"😀":1}'],
    ['["\\ud800","\\u2028\u2029","\\\\"]', '["\ufffd","\\u2028\\u2029","\\\\"]'],
    ['{"a":1,"\\u0061":2}', '{"a":2}'],
    ['{}', '{}'],
  ])('of %s', (text, canonical) => {
    expect(canonicalJson(text)).toBe(canonical);
  });

  it('says the same, whatever the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const canonical = canonicalJson(JSON.stringify(value, undefined, 2));
        expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(canonical)).toBe(canonical);
      }),
    );
  });

  it('refuses what is no JSON or nested without measure', () => {
    expect(() => canonicalJson('{"a":}')).toThrow(SyntaxError);
    expect(() => canonicalJson('['.repeat(9_999) + ']'.repeat(9_999))).toThrow(/deeper/);
  });
});
