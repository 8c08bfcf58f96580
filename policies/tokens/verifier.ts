// Verifies tokens into claims. A token itself is never logged, nor does an error repeat any of it.
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Claims } from '../grant.ts';
import { createRevocations, type Revocations } from './revocations.ts';
import { SIGNING_ALGORITHM, type SigningKey } from './signing-key.ts';

/** How far clocks may differ, in seconds: a token is taken this long after its `exp`. */
export const CLOCK_TOLERANCE_S = 5;
/** Longer than any header may be. */
const TOKEN_LENGTH_MAX = 16_384;
const CACHE_MAX = 10_000;
const FETCH_TIMEOUT_MS = 5_000;

/** Asymmetric only: with a shared secret, whoever can verify could also sign. */
const JWKS_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
];

/** Where the keys are that tokens are verified with. */
export type TokenKeys =
  | { readonly kind: 'local'; readonly key: SigningKey }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string };

/** What a token has to say, and under which names it says tenant and roles. */
export interface TokenProfile {
  readonly issuer: string;
  readonly audience: string;
  readonly tenantClaim: string;
  readonly rolesClaim: string;
}

export interface TokenVerifier {
  /**
   * Verifies a token.
   * @throws TailraceError `token_invalid`, `token_expired`; `keys_unavailable` where the JWKS cannot be had.
   */
  verify(token: string): Promise<Claims>;
  /** Which of them are over before their time; `verify` looks here each time. */
  readonly revocations: Revocations;
}

export interface TokenVerifierOptions {
  readonly keys: TokenKeys;
  readonly profile: TokenProfile;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly cacheMax?: number;
}

/**
 * Makes a verifier. Verifying costs 70 µs, a decision 20: so a token once verified is known, by its hash, until it is
 * over. The least recently used one goes first.
 * @throws TailraceError `jwks_invalid` where a JWKS file cannot be used.
 */
export async function createTokenVerifier(options: TokenVerifierOptions): Promise<TokenVerifier> {
  const { keys, profile, clock, metrics, cacheMax = CACHE_MAX } = options;
  const getKey = await keyGetter(keys);
  const algorithms = keys.kind === 'local' ? [SIGNING_ALGORITHM] : JWKS_ALGORITHMS;
  const known = new Map<string, Claims>();
  const revocations = createRevocations();
  metrics.bounded('token_cache', () => known.size, cacheMax);

  function remember(digest: string, claims: Claims): void {
    known.delete(digest);
    known.set(digest, claims);
    if (known.size <= cacheMax) return;
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  }

  async function verify(token: string): Promise<Claims> {
    if (token.length > TOKEN_LENGTH_MAX) throw invalid('is too long');
    const digest = hash('sha256', token, 'base64');
    const nowMs = clock();
    const cached = known.get(digest);
    if (cached !== undefined) {
      if (isOver(cached, nowMs)) {
        known.delete(digest);
        throw expired(cached.exp);
      }
      remember(digest, cached);
      return cached;
    }
    const payload = await verifySignature(token, getKey, profile, algorithms, nowMs);
    const claims = readClaims(payload, profile);
    remember(digest, claims);
    return claims;
  }

  return { verify, revocations };
}

/**
 * The token of an `Authorization` header.
 * @throws TailraceError `token_missing`, `token_invalid`.
 */
export function bearerToken(header: string | undefined): string {
  if (header === undefined || header.trim() === '') {
    throw new TailraceError(
      'token_missing',
      'A token is needed: send the header "Authorization: Bearer <token>".',
    );
  }
  const token = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header)?.[1];
  if (token === undefined) throw invalid('does not stand as "Bearer <token>" in the header');
  return token;
}

/** Whether a token is over, the tolerance included. */
export function isOver(claims: Claims, nowMs: number): boolean {
  return Math.floor(nowMs / 1000) >= claims.exp + CLOCK_TOLERANCE_S;
}

async function verifySignature(
  token: string,
  getKey: JWTVerifyGetKey,
  { issuer, audience }: TokenProfile,
  algorithms: string[],
  nowMs: number,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, getKey, {
      algorithms,
      issuer,
      audience,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(nowMs),
    });
    return payload;
  } catch (thrown) {
    throw refusal(thrown);
  }
}

/** Says what is wrong in words of our own; jose's errors carry the payload with them, so none is kept as a cause. */
function refusal(thrown: unknown): TailraceError {
  if (thrown instanceof errors.JWTExpired) return expired(Number(thrown.payload.exp));
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    const { claim } = thrown;
    return invalid(
      thrown.reason === 'missing'
        ? `has no claim ${claim}`
        : `has a claim ${claim} that does not fit here`,
    );
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) {
    return invalid('has a signature that does not verify');
  }
  if (thrown instanceof errors.JWKSNoMatchingKey) {
    return invalid('is signed with a key that is not known here');
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed) {
    return invalid('is signed with an algorithm that is not allowed');
  }
  if (thrown instanceof errors.JWSInvalid || thrown instanceof errors.JWTInvalid) {
    return invalid('is no JWT');
  }
  if (!isFetchFault(thrown)) return invalid('cannot be verified');
  return new TailraceError(
    'keys_unavailable',
    'The keys that tokens are verified with cannot be had now; try again shortly.',
    { details: { fault: messageOf(thrown) } },
  );
}

/** Only a JWKS_URL is fetched; jose gives what fetch throws, and two errors of its own. */
function isFetchFault(thrown: unknown): boolean {
  if (!(thrown instanceof errors.JOSEError)) return true;
  return ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(thrown.code);
}

/** Checks a verified payload into claims. */
function readClaims(payload: JWTPayload, { tenantClaim, rolesClaim }: TokenProfile): Claims {
  const { sub, exp, jti, ...rest } = payload;
  if (sub === undefined || sub === '') throw invalid('has no claim sub');
  if (exp === undefined) throw invalid('has no claim exp');
  const tenant = payload[tenantClaim];
  if (typeof tenant !== 'string' || tenant === '') {
    throw invalid(`has no text in its claim ${tenantClaim}`);
  }
  const roles = payload[rolesClaim] ?? [];
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) {
    throw invalid(`has no list of names in its claim ${rolesClaim}`);
  }
  return { ...rest, sub, exp, tenant, roles, ...(typeof jti === 'string' ? { jti } : {}) };
}

async function keyGetter(keys: TokenKeys): Promise<JWTVerifyGetKey> {
  switch (keys.kind) {
    case 'local': {
      const { kid, publicKey } = keys.key;
      return async (header) => {
        if (header.kid === kid) return publicKey;
        throw new errors.JWKSNoMatchingKey();
      };
    }
    case 'url':
      return createRemoteJWKSet(new URL(keys.url), { timeoutDuration: FETCH_TIMEOUT_MS });
    case 'file':
      try {
        const set: JSONWebKeySet = JSON.parse(await readFile(keys.path, 'utf8'));
        return createLocalJWKSet(set);
      } catch (thrown) {
        throw new TailraceError(
          'jwks_invalid',
          `JWKS_FILE ${keys.path} holds no JSON Web Key Set (${messageOf(thrown)}).`,
        );
      }
  }
}

function invalid(fault: string): TailraceError {
  return new TailraceError('token_invalid', `The token ${fault}.`);
}

function expired(expS: number): TailraceError {
  const when = new Date(Math.max(0, expS) * 1000).toISOString();
  return new TailraceError('token_expired', `The token is over since ${when}; get a new one.`);
}
