// The ways in which tokens are forged, against keys that a real server publishes: each is refused, in the right words,
// and none makes the server ask for anything that the token names.
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  sign as signRaw,
} from 'node:crypto';
import { CompactEncrypt, exportJWK, exportSPKI, importJWK, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { type KeyServer, makeKey, startKeyServer, type TestKey } from '../../test/key-server.ts';
import { createTokenVerifier, type TokenProfile, type TokenVerifier } from './verifier.ts';

const NOW_MS = 1_700_000_000_000;
const NOW_S = NOW_MS / 1_000;
const PROFILE: TokenProfile = {
  issuers: ['https://id.example', 'https://other.example'],
  audiences: ['tailrace', 'readings'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};
const GOOD = {
  sub: 's',
  iss: 'https://id.example',
  aud: 'tailrace',
  iat: NOW_S,
  exp: NOW_S + 60,
  tenant: 'acme',
  roles: ['viewer'],
};

let es: TestKey;
let rs: TestKey;
let ed: TestKey;
let ps: TestKey;
let foreign: TestKey;
let keyServer: KeyServer;
let attacker: KeyServer;
let verifier: TokenVerifier;

beforeAll(async () => {
  [es, rs, ed, ps, foreign] = await Promise.all([
    makeKey('ES256'),
    makeKey('RS256'),
    makeKey('EdDSA'),
    makeKey('PS256'),
    makeKey('ES256', 'kid-of-other'),
  ]);
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  keyServer = await startKeyServer(
    ...[es, rs, ed, ps].map(({ jwk }) => jwk),
    { kty: 'oct', kid: 'shared', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', alg: 'HS256' },
    { ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak' },
    { ...foreign.jwk, kid: 'encrypts', use: 'enc' },
    { ...(await privateJwk(foreign)), kid: 'private' },
    'no key',
  );
  attacker = await startKeyServer(foreign.jwk);
  verifier = await createTokenVerifier({
    keys: [
      { kind: 'url', url: `${keyServer.url}/jwks.json` },
      { kind: 'url', url: `${attacker.url}/jwks.json` },
    ],
    profile: PROFILE,
    clock: () => NOW_MS,
    metrics: createMetrics(),
    log: createLog('silent'),
  });
});
afterAll(() => Promise.all([keyServer.stop(), attacker.stop()]));

const privateJwk = ({ privateKey }: TestKey) => exportJWK(privateKey);

const encode = (text: string) => Buffer.from(text).toString('base64url');
const decode = (part = '') => Buffer.from(part, 'base64url').toString();

/** A token of any header and payload text, signed as ES256 asks for. */
function signed(header: string, payload: string): string {
  const input = `${encode(header)}.${encode(payload)}`;
  const key = { format: 'jwk', key: esPrivate, dsaEncoding: 'ieee-p1363' } as const;
  return `${input}.${signRaw('sha256', Buffer.from(input), key).toString('base64url')}`;
}
let esPrivate: JsonWebKey;
beforeAll(async () => {
  esPrivate = (await privateJwk(es)) as JsonWebKey;
});

/** HMAC over a token, with whatever an attacker takes for the secret. */
function hmac(secret: string | Buffer, kid: string): string {
  const input = `${encode(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid }))}.${encode(JSON.stringify(GOOD))}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function unsigned(alg: string): string {
  return `${encode(JSON.stringify({ alg, typ: 'JWT' }))}.${encode(JSON.stringify(GOOD))}.`;
}

const publicPem = async (key: TestKey) => {
  const imported = await importJWK(key.jwk, key.alg, { extractable: true });
  if (imported instanceof Uint8Array) throw new Error('not a public key');
  return exportSPKI(imported);
};
const publicDer = (key: TestKey) =>
  createPublicKey({ format: 'jwk', key: key.jwk as never }).export({ format: 'der', type: 'spki' });

/** A good token with its signature replaced. */
const withSignature = async (bytes: Buffer) => {
  const [header, payload] = (await es.sign(GOOD)).split('.');
  return `${header}.${payload}.${bytes.toString('base64url')}`;
};

/** A good token with its header replaced and its signature kept. */
const withHeader = async (header: Record<string, unknown>) => {
  const [, payload, signature] = (await es.sign(GOOD)).split('.');
  return `${encode(JSON.stringify(header))}.${payload}.${signature}`;
};

async function outcome(token: string): Promise<string> {
  return verifier.verify(token).then(
    () => 'accepted',
    (thrown: Error & { code: string }) => `${thrown.code}: ${thrown.message}`,
  );
}

const ALGORITHM = /token_invalid: .*algorithm that is not allowed/;
const UNKNOWN_KEY = /token_invalid: .*key that is not known/;
const SIGNATURE = /token_invalid: .*signature that does not verify/;
const NO_JWT = /token_invalid: .*is no JWT/;
const TYPE = /token_invalid: .*type that is not taken/;
const EXTENSION = /token_invalid: .*extensions that are not known/;
const KID = /token_invalid: .*names its key in a way/;

type Classic = readonly [what: string, token: () => string | Promise<string>, words: RegExp];

const CLASSICS: readonly Classic[] = [
  ...['none', 'None', 'NONE', 'nOnE', ' none', '', 'null'].map(
    (alg): Classic => [`alg ${JSON.stringify(alg)}`, () => unsigned(alg), ALGORITHM],
  ),
  ['alg none as jose writes it', () => new UnsecuredJWT(GOOD).encode(), ALGORITHM],
  ['no alg', () => `${encode('{"typ":"JWT"}')}.${encode(JSON.stringify(GOOD))}.`, ALGORITHM],
  ['alg none over a good signature', () => withHeader({ alg: 'none' }), ALGORITHM],
  ['HS256 with the public key as PEM', async () => hmac(await publicPem(rs), rs.kid), ALGORITHM],
  ['HS256 with the public key as DER', () => hmac(publicDer(rs), rs.kid), ALGORITHM],
  ['HS256 with the public key as JWK', () => hmac(JSON.stringify(rs.jwk), rs.kid), ALGORITHM],
  ['HS256 with an empty secret', () => hmac('', es.kid), ALGORITHM],
  ['HS256 with a shared key of the set', () => hmac('secret'.repeat(5), 'shared'), ALGORITHM],
  ...[
    '../../dev/null',
    "x' or 1=1 --",
    'a\0b',
    '/etc/passwd',
    'http://127.0.0.1/',
    '__proto__',
  ].map(
    (kid): Classic => [`kid ${JSON.stringify(kid)}`, () => es.sign(GOOD, { kid }), UNKNOWN_KEY],
  ),
  ['a kid of 2,000 characters', () => es.sign(GOOD, { kid: 'k'.repeat(2_000) }), KID],
  ['a kid that is a number', () => es.sign(GOOD, { kid: 1 }), KID],
  ['a kid that is a list', () => es.sign(GOOD, { kid: ['kid-ES256'] }), KID],
  ['a kid that is null', () => es.sign(GOOD, { kid: null }), KID],
  ['an empty kid', () => es.sign(GOOD, { kid: '' }), UNKNOWN_KEY],
  ['a key of its own as jwk', () => foreign.sign(GOOD, { jwk: foreign.jwk }), UNKNOWN_KEY],
  [
    'a key set of its own as jku',
    () => foreign.sign(GOOD, { jku: `${attacker.url}/jku.json` }),
    UNKNOWN_KEY,
  ],
  [
    'a chain of its own as x5u',
    () => foreign.sign(GOOD, { x5u: `${attacker.url}/x5u` }),
    UNKNOWN_KEY,
  ],
  ['a chain of its own as x5c', () => foreign.sign(GOOD, { x5c: ['MII='] }), UNKNOWN_KEY],
  ['a key of its own under a known kid', () => foreign.sign(GOOD, { kid: es.kid }), SIGNATURE],
  ['a key of another issuer', () => foreign.sign(GOOD), UNKNOWN_KEY],
  ['a weak key of the set', () => rs.sign(GOOD, { kid: 'weak' }), UNKNOWN_KEY],
  ['a key that is not for signing', () => foreign.sign(GOOD, { kid: 'encrypts' }), UNKNOWN_KEY],
  ['a key whose secret is published', () => foreign.sign(GOOD, { kid: 'private' }), UNKNOWN_KEY],
  ['an RS256 key used as PS256', () => ps.sign(GOOD, { kid: rs.kid }), ALGORITHM],
  ['an ES256 token that names an RSA key', () => es.sign(GOOD, { kid: rs.kid }), ALGORITHM],
  ['ES256 said to be ES384', () => withHeader({ alg: 'ES384', kid: es.kid }), ALGORITHM],
  ['ES256 said to be ES256K', () => withHeader({ alg: 'ES256K', kid: es.kid }), ALGORITHM],
  ['ES256 said to be EdDSA', () => withHeader({ alg: 'EdDSA', kid: ed.kid }), SIGNATURE],
  ['a signature on another curve', () => withSignature(Buffer.alloc(96, 1)), SIGNATURE],
  ['an ECDSA signature with r and s of zero', () => withSignature(Buffer.alloc(64)), SIGNATURE],
  [
    'an ECDSA signature with r and s of the order',
    () => withSignature(P256_ORDER_TWICE),
    SIGNATURE,
  ],
  ['no signature', () => withSignature(Buffer.alloc(0)), SIGNATURE],
  [
    'another payload under a good signature',
    async () => {
      const [header, , signature] = (await es.sign(GOOD)).split('.');
      return `${header}.${encode(JSON.stringify({ ...GOOD, tenant: 'other' }))}.${signature}`;
    },
    SIGNATURE,
  ],
  ['an encrypted token', () => encrypted(), NO_JWT],
  ['JSON serialisation', async () => JSON.stringify({ payload: await es.sign(GOOD) }), NO_JWT],
  ['padding', async () => `${await es.sign(GOOD)}=`, NO_JWT],
  ['a fourth part', async () => `${await es.sign(GOOD)}.e30`, NO_JWT],
  ['white space around it', async () => ` ${await es.sign(GOOD)}`, NO_JWT],
  ['a payload that is a list', () => signed(HEADER(), '[]'), NO_JWT],
  ['a payload that is no JSON', () => signed(HEADER(), 'hello'), NO_JWT],
  ['a payload that is not UTF-8', () => `${encode(HEADER())}.${'_w'}.AAAA`, NO_JWT],
  ['a header that is null', () => signed('null', JSON.stringify(GOOD)), NO_JWT],
  ['a nested token', async () => signed(HEADER('"cty":"JWT"'), JSON.stringify(GOOD)), /claims/],
  [
    'b64 false',
    () => signed(HEADER('"b64":false,"crit":["b64"]'), JSON.stringify(GOOD)),
    EXTENSION,
  ],
  ['b64 false, not critical', () => signed(HEADER('"b64":false'), JSON.stringify(GOOD)), EXTENSION],
  ['an unknown critical extension', () => signed(HEADER('"crit":["exp"]'), '{}'), EXTENSION],
  ['an empty crit', () => signed(HEADER('"crit":[]'), JSON.stringify(GOOD)), EXTENSION],
  [
    'alg twice',
    () => signed(HEADER('"alg":"ES256"'), JSON.stringify(GOOD)),
    /says something twice/,
  ],
  [
    'a tenant twice, once written otherwise',
    () => signed(HEADER(), `{"ten\\u0061nt":"other",${JSON.stringify(GOOD).slice(1)}`),
    /says something twice/,
  ],
  ...['dpop+jwt', 'logout+jwt', 'secevent+jwt', 'JOSE', '', 7].map(
    (typ): Classic => [
      `typ ${JSON.stringify(typ)}`,
      () => es.sign(GOOD, { typ: typ as string }),
      TYPE,
    ],
  ),
  ['too many bytes', () => es.sign({ ...GOOD, x: 'x'.repeat(20_000) }), /is too long/],
  ['an expired token', () => es.sign({ ...GOOD, exp: NOW_S - 6 }), /token_expired/],
  ['an exp in no year', () => es.sign({ ...GOOD, exp: 1e300 }), /claim exp that does not fit/],
  ['an exp below zero', () => es.sign({ ...GOOD, exp: -1 }), /token_expired/],
  ['a token not yet valid', () => es.sign({ ...GOOD, nbf: NOW_S + 6 }), /claim nbf/],
  ['a token from the future', () => es.sign({ ...GOOD, iat: NOW_S + 6 }), /claim iat/],
  ['another audience', () => es.sign({ ...GOOD, aud: ['client-id', 'x'] }), /claim aud/],
  ['no audience', () => es.sign({ ...GOOD, aud: undefined }), /no claim aud/],
  ['another issuer', () => es.sign({ ...GOOD, iss: 'https://evil.example' }), /claim iss/],
  ['an issuer with a slash more', () => es.sign({ ...GOOD, iss: `${GOOD.iss}/` }), /claim iss/],
  ['an issuer named like a member', () => es.sign({ ...GOOD, iss: '__proto__' }), /claim iss/],
  [
    'a list of issuers',
    () => signed(HEADER(), JSON.stringify({ ...GOOD, iss: [GOOD.iss] })),
    /iss/,
  ],
  ['no issuer', () => es.sign({ ...GOOD, iss: undefined }), /no claim iss/],
  [
    'a subject that is a number',
    () => signed(HEADER(), JSON.stringify({ ...GOOD, sub: 1 })),
    /sub/,
  ],
  ['a subject with a null byte', () => es.sign({ ...GOOD, sub: 'a\0' }), /claim sub/],
  [
    'a subject of 2,000 characters',
    () => es.sign({ ...GOOD, sub: 's'.repeat(2_000) }),
    /claim sub/,
  ],
  ['an id that is a number', () => signed(HEADER(), JSON.stringify({ ...GOOD, jti: 1 })), /jti/],
];

const HEADER = (more = '') => `{"alg":"ES256","kid":"kid-ES256"${more === '' ? '' : `,${more}`}}`;
const P256_ORDER = Buffer.from(
  'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'hex',
);
const P256_ORDER_TWICE = Buffer.concat([P256_ORDER, P256_ORDER]);

async function encrypted(): Promise<string> {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return new CompactEncrypt(Buffer.from(JSON.stringify(GOOD)))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(publicKey);
}

describe('a forged token', () => {
  test.each(CLASSICS)('is refused: %s', async (_what, make, words) => {
    const token = await make();
    expect(await outcome(token)).toMatch(words);
    // And again: a refusal is not remembered as anything else.
    expect(await outcome(token)).toMatch(words);
  });

  it('never makes the server ask where the token says', () => {
    expect(attacker.asked.filter((path) => path !== '/jwks.json')).toEqual([]);
  });

  it('asks for the keys no more than once, with all those made-up ids', () => {
    expect(keyServer.asked.length).toBe(1);
  });
});

describe('a good token', () => {
  test.each([
    ['of each key', async () => es.sign(GOOD)],
    ['with RS256', async () => rs.sign(GOOD)],
    ['with PS256', async () => ps.sign(GOOD)],
    ['with EdDSA', async () => ed.sign(GOOD)],
    ['without kid, where one key would do', async () => es.sign(GOOD, { kid: undefined })],
    ['of type JWT', async () => es.sign(GOOD, { typ: 'JWT' })],
    ['of type at+jwt', async () => es.sign(GOOD, { typ: 'at+jwt' })],
    ['of type application/at+jwt', async () => es.sign(GOOD, { typ: 'application/AT+JWT' })],
    ['for one of several audiences', async () => es.sign({ ...GOOD, aud: ['x', 'readings'] })],
    ['without iat', async () => es.sign({ ...GOOD, iat: undefined })],
    ['of the other issuer', async () => foreign.sign({ ...GOOD, iss: 'https://other.example' })],
    ['of a clock that is five seconds ahead', async () => es.sign({ ...GOOD, iat: NOW_S + 5 })],
  ])('is taken %s', async (_what, make) => {
    const token = await make();
    expect(await outcome(token)).toBe('accepted');
    expect(decode(token.split('.')[1])).toContain('acme');
  });

  it('of another issuer is not verified with the keys of this one', async () => {
    expect(await outcome(await es.sign({ ...GOOD, iss: 'https://other.example' }))).toMatch(
      UNKNOWN_KEY,
    );
  });
});

describe('with a longest life of a token', () => {
  async function lifetime(claims: Record<string, unknown>): Promise<string> {
    const strict = await createTokenVerifier({
      keys: { kind: 'url', url: `${keyServer.url}/jwks.json` },
      profile: PROFILE,
      clock: () => NOW_MS,
      metrics: createMetrics(),
      log: createLog('silent'),
      lifetimeMaxMs: 3_600_000,
    });
    return strict.verify(await es.sign(claims)).then(
      () => 'accepted',
      (thrown: Error) => thrown.message,
    );
  }
  test.each([
    ['made for an hour', { ...GOOD, exp: NOW_S + 3_600 }, /accepted/],
    ['made for a second more', { ...GOOD, exp: NOW_S + 3_601 }, /made for longer/],
    ['that does not say since when it is good', { ...GOOD, iat: undefined }, /no claim iat/],
  ])('a token %s', async (_what, claims, words) => {
    expect(await lifetime(claims)).toMatch(words);
  });
});
