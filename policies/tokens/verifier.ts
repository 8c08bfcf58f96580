// Verifies tokens into claims. A token itself is never logged, nor does an error repeat any of it.
import { hash } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Claims } from '../grant.ts';
import { type KeySource, openKeySource, UNKNOWN_KIDS_MAX } from './jwks.ts';
import type { KeyLocation } from './key-documents.ts';
import type { VerificationKey } from './key-set.ts';
import { expired, invalid, revoked } from './refusals.ts';
import { createRevocations, type Revocations } from './revocations.ts';
import { SIGNING_ALGORITHM, type SigningKey } from './signing-key.ts';
import { checkLength, readTokenForm } from './token-form.ts';

/** How far clocks may differ, in seconds: a token is taken this long after its `exp`. */
const CLOCK_TOLERANCE_S = 5;
const CACHE_MAX = 10_000;
const STALE_MAX_MS = 86_400_000;
/** The year 9999: later ones are no dates. */
const LATEST_S = 253_402_300_799;
/** Names are keys of tables; OpenID Connect allows a `sub` of 255. */
const NAME_BYTES_MAX = 1_024;
/** What PostgreSQL's text cannot hold. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/** Where the keys are that an issuer's tokens are verified with. */
export type TokenKeys = { readonly kind: 'local'; readonly key: SigningKey } | KeyLocation;

/** What a token has to say, and under which names it says tenant and roles. */
export interface TokenProfile {
  /** Any of these; what is signed here says the first. */
  readonly issuers: readonly string[];
  /** Any of these; what is signed here says the first. */
  readonly audiences: readonly string[];
  readonly tenantClaim: string;
  readonly rolesClaim: string;
}

export interface TokenVerifier {
  /**
   * Verifies a token.
   * @throws TailraceError `token_invalid`, `token_expired`, `token_revoked`; `keys_unavailable` where the keys cannot
   * be had.
   */
  verify(token: string): Promise<Claims>;
  /**
   * Whether a token was verified before and is remembered: to verify it again costs next to nothing. One that was
   * refused since, because it is over or revoked, is not.
   */
  knows(token: string): boolean;
  /** Which of them are over before their time; `verify` looks here each time. */
  readonly revocations: Revocations;
  /**
   * Begins to read keys where that is due, for whoever holds on to verified claims while nobody asks for any: a key
   * that was withdrawn then shows in `revocations`.
   */
  keepUp(): void;
  /** How many issuers there are, and how many of them have keys that may be used at this moment. */
  issuers(): { readonly all: number; readonly usable: number };
}

export interface TokenVerifierOptions {
  /** One for all issuers, or one for each in their order: a token's key is looked for only where its issuer's are. */
  readonly keys: TokenKeys | readonly TokenKeys[];
  readonly profile: TokenProfile;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** How long keys are used that could not be confirmed. */
  readonly staleMaxMs?: number;
  /** Tokens that were made for longer are refused, and so are those that do not say since when they are good. */
  readonly lifetimeMaxMs?: number | undefined;
  readonly cacheMax?: number;
}

/** A token that was verified, and with which key: one that is withdrawn takes its tokens along. */
interface Verified {
  readonly claims: Claims;
  readonly source: KeySource;
  readonly thumbprint: string;
}

/**
 * Makes a verifier. Verifying costs 70 µs, a decision 20: so a token once verified is known, by its hash, until it is
 * over. The least recently used one goes first.
 * @throws TailraceError `jwks_invalid` where a JWKS file cannot be used.
 */
export async function createTokenVerifier(options: TokenVerifierOptions): Promise<TokenVerifier> {
  const { profile, clock, metrics, cacheMax = CACHE_MAX } = options;
  const known = new Map<string, Verified>();
  const byClaims = new WeakMap<Claims, Verified>();
  const revocations = createRevocations((claims) => {
    const verified = byClaims.get(claims);
    return verified?.source.lacks(verified.thumbprint) ?? false;
  });
  const sources = await openSources(options, revocations.keysChanged);
  metrics.bounded('token_cache', () => known.size, cacheMax);

  function remember(digest: string, verified: Verified): void {
    known.delete(digest);
    known.set(digest, verified);
    if (known.size <= cacheMax) return;
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  }

  async function recall(digest: string, nowMs: number): Promise<Claims | undefined> {
    const verified = known.get(digest);
    if (verified === undefined) return undefined;
    const { claims, source, thumbprint } = verified;
    const over = isOver(claims, nowMs);
    const held = over || source.holds(thumbprint);
    // No turn of the event loop is spent where there is nothing to wait for.
    if (over || !(held === true || (await held))) {
      known.delete(digest);
      if (over) throw expired(claims.exp);
      return undefined;
    }
    remember(digest, verified);
    return claims;
  }

  async function verifyAnew(token: string, digest: string, nowMs: number): Promise<Claims> {
    const { alg, kid, issuer } = readTokenForm(token);
    const source = sources.get(issuer);
    if (source === undefined) throw invalid('has a claim iss that does not fit here');
    const key = await source.find(alg, kid);
    const payload = await verifySignature(token, key, { alg, issuer, profile, nowMs });
    checkLifetime(payload, options.lifetimeMaxMs, nowMs);
    const claims = readClaims(payload, profile);
    const verified = { claims, source, thumbprint: key.thumbprint };
    byClaims.set(claims, verified);
    remember(digest, verified);
    return claims;
  }

  return {
    revocations,
    keepUp() {
      for (const source of new Set(sources.values())) source.keepUp();
    },
    issuers() {
      const usable = [...sources.values()].filter((source) => source.isUsable);
      return { all: sources.size, usable: usable.length };
    },
    knows: (token) => known.has(hash('sha256', token, 'base64')),
    async verify(token) {
      checkLength(token);
      const digest = hash('sha256', token, 'base64');
      const nowMs = clock();
      const claims = (await recall(digest, nowMs)) ?? (await verifyAnew(token, digest, nowMs));
      if (revocations.isRevoked(claims)) {
        known.delete(digest);
        throw revoked();
      }
      return claims;
    },
  };
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

/** When a token is over, the tolerance included, in ms since 1970. */
export function overAtMs({ exp }: Claims): number {
  return Math.ceil(exp + CLOCK_TOLERANCE_S) * 1000;
}

/** Whether a token is over, the tolerance included. */
export function isOver(claims: Claims, nowMs: number): boolean {
  return nowMs >= overAtMs(claims);
}

/** The source of each issuer. Issuers that share a location share its source. */
async function openSources(
  options: TokenVerifierOptions,
  onChange: () => void,
): Promise<Map<string, KeySource>> {
  const { keys, profile, clock, log, metrics, staleMaxMs = STALE_MAX_MS } = options;
  const reads = metrics.counter('tailrace_jwks_reads_total', 'readings of token keys', ['outcome']);
  const onRead = (outcome: 'ok' | 'failed') => reads.inc({ outcome });
  const opened = new Map<TokenKeys, KeySource>();
  const byIssuer = new Map<string, KeySource>();
  for (const [at, issuer] of profile.issuers.entries()) {
    const its = 'kind' in keys ? keys : (keys[at] ?? keys[0]);
    if (its === undefined) throw new Error(`no keys for the issuer ${issuer}`);
    let source = opened.get(its);
    if (source === undefined) {
      source = await openSource(its, { clock, log, staleMaxMs, onRead, onChange });
      opened.set(its, source);
    }
    byIssuer.set(issuer, source);
  }
  const all = [...opened.values()];
  metrics.bounded(
    'unknown_kids',
    () => all.reduce((sum, { unknownKids }) => sum + unknownKids, 0),
    UNKNOWN_KIDS_MAX * all.length,
  );
  metrics.gauge(
    'tailrace_jwks_age_seconds',
    'time since the keys of tokens were confirmed, of the set for which it is longest',
    () => Math.max(0, ...all.map((source) => source.ageMs() ?? 0)) / 1_000,
  );
  return byIssuer;
}

async function openSource(
  keys: TokenKeys,
  options: Omit<Parameters<typeof openKeySource>[0], 'location'>,
): Promise<KeySource> {
  if (keys.kind === 'local') return localSource(keys.key);
  try {
    return await openKeySource({ ...options, location: keys });
  } catch (thrown) {
    throw new TailraceError(
      'jwks_invalid',
      `The JWKS file cannot be used (${messageOf(thrown)}): JWKS_FILE has to be a JSON Web Key Set.`,
    );
  }
}

function localSource({ kid, publicKey }: SigningKey): KeySource {
  const key: VerificationKey = {
    kid,
    thumbprint: kid,
    algorithms: new Set([SIGNING_ALGORITHM]),
    use: async () => publicKey,
  };
  return {
    async find(alg, named) {
      if (named === kid && key.algorithms.has(alg)) return key;
      throw invalid('is signed with a key that is not known here');
    },
    holds: (thumbprint) => thumbprint === kid,
    lacks: (thumbprint) => thumbprint !== kid,
    isUsable: true,
    keepUp: () => undefined,
    unknownKids: 0,
    ageMs: () => undefined,
  };
}

interface Expected {
  readonly alg: string;
  readonly issuer: string;
  readonly profile: TokenProfile;
  readonly nowMs: number;
}

async function verifySignature(
  token: string,
  key: VerificationKey,
  { alg, issuer, profile, nowMs }: Expected,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, await key.use(alg), {
      algorithms: [alg],
      issuer,
      audience: [...profile.audiences],
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
  if (thrown instanceof errors.JOSEAlgNotAllowed) {
    return invalid('is signed with an algorithm that is not allowed');
  }
  if (thrown instanceof errors.JWSInvalid || thrown instanceof errors.JWTInvalid) {
    return invalid('is no JWT');
  }
  return invalid('cannot be verified');
}

/**
 * A token from the future would outlive the revocation of its subject, and so would one that does not say since when
 * it is good where revocations are forgotten after the longest life of a token. What the tolerance leaves: where an
 * issuer's clock is ahead by some seconds, up to that, a revocation does not cover the tokens made in so many seconds
 * before it.
 */
function checkLifetime(
  { iat, exp = 0 }: JWTPayload,
  lifetimeMaxMs: number | undefined,
  nowMs: number,
): void {
  if (exp > LATEST_S) throw invalid('has a claim exp that does not fit here');
  if (iat !== undefined && iat > nowMs / 1_000 + CLOCK_TOLERANCE_S) {
    throw invalid('has a claim iat that does not fit here');
  }
  if (lifetimeMaxMs === undefined) return;
  if (iat === undefined) throw invalid('has no claim iat');
  if ((exp - iat) * 1_000 > lifetimeMaxMs) throw invalid('is made for longer than is allowed here');
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
  for (const [claim, name] of [
    ['sub', sub],
    ['jti', jti ?? ''],
    [tenantClaim, tenant],
  ] as const) {
    if (!isName(name)) throw invalid(`has a claim ${claim} that does not fit here`);
  }
  return { ...rest, sub, exp, tenant, roles, ...(jti === undefined ? {} : { jti }) };
}

/** Whether a text can be kept, and asked for again. */
export function isName(text: unknown): text is string {
  return (
    typeof text === 'string' && Buffer.byteLength(text) <= NAME_BYTES_MAX && !UNSTORABLE.test(text)
  );
}
