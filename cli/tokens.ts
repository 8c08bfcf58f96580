// Who signs the tokens of this process: the configured key sets, the issuer that the page signs in at, or a key of its
// own below DATA_DIR.
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { nameOf, readKeyDocument } from '../policies/tokens/key-documents.ts';
import { readKeySet } from '../policies/tokens/key-set.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import {
  createTokenVerifier,
  type TokenKeys,
  type TokenProfile,
  type TokenVerifier,
} from '../policies/tokens/verifier.ts';

/**
 * What tokens have to say under this configuration. The issuer that the page signs in at is always one of theirs, and
 * the last: its tokens are not made here.
 */
export function tokenProfile(config: Config): TokenProfile {
  const { JWT_ISSUER, OIDC_ISSUER } = config;
  const others = JWT_ISSUER.filter((issuer) => issuer !== OIDC_ISSUER);
  return {
    issuers: OIDC_ISSUER === undefined ? others : [...others, OIDC_ISSUER],
    audiences: config.JWT_AUDIENCE,
    tenantClaim: config.JWT_TENANT_CLAIM,
    rolesClaim: config.JWT_ROLES_CLAIM,
  };
}

/** Whether tokens of the local key are taken, so that `tailrace token` can make some. */
export function signsLocally(config: Config): boolean {
  const { JWKS_URL, JWKS_FILE, OIDC_ISSUER } = config;
  if (JWKS_URL !== undefined || JWKS_FILE !== undefined) return false;
  return tokenProfile(config).issuers[0] !== OIDC_ISSUER;
}

/** The keys of each issuer of the profile, in its order. */
async function tokenKeys(config: Config, log: Log): Promise<TokenKeys[]> {
  const { JWKS_URL = [], JWKS_FILE, JWT_ISSUER } = config;
  const sets = JWKS_URL.map((url): TokenKeys => ({ kind: 'url', url }));
  if (JWKS_FILE !== undefined) sets.push({ kind: 'file', path: JWKS_FILE });
  const isConfigured = sets.length > 0;
  if (signsLocally(config)) {
    log.info('no JWKS is configured: tokens are those of `tailrace token`');
    sets.push({ kind: 'local', key: await openSigningKey(config.DATA_DIR) });
  }
  return tokenProfile(config).issuers.map((issuer): TokenKeys => {
    const at = JWT_ISSUER.indexOf(issuer);
    const its = sets[at] ?? sets[0];
    const isOfPage = issuer === config.OIDC_ISSUER;
    if (its === undefined || (isOfPage && (at < 0 || !isConfigured))) {
      return { kind: 'discovery', issuer };
    }
    return its;
  });
}

/**
 * Reads each key set once, for whoever wants to know whether it can be had.
 * @throws Error saying which cannot, and why.
 */
export async function inspectKeys(config: Config, log: Log): Promise<string> {
  const found = await Promise.all(
    (await tokenKeys(config, log)).map(async (keys) => {
      if (keys.kind === 'local') return 'a key of our own';
      try {
        const { keys: usable } = await readKeySet((await readKeyDocument(keys)).text);
        return `${usable.length} of ${nameOf(keys)}`;
      } catch (cause) {
        throw new Error(`${nameOf(keys)}: ${messageOf(cause)}`, { cause });
      }
    }),
  );
  return found.join(', ');
}

/** How often keys are looked at that may be due to be read again; open streams rely on it. */
const KEEP_UP_EVERY_MS = 2_000;

/** Keeps the keys of tokens up to date while nobody asks for any. */
export function keepKeys(tokens: TokenVerifier): Part {
  const timer = setInterval(() => tokens.keepUp(), KEEP_UP_EVERY_MS);
  timer.unref();
  return {
    name: 'keys of tokens',
    async stop() {
      clearInterval(timer);
    },
  };
}

/** Makes the verifier that the configuration asks for. */
export async function openTokens(
  config: Config,
  { metrics, log }: { metrics: Metrics; log: Log },
): Promise<TokenVerifier> {
  return createTokenVerifier({
    keys: await tokenKeys(config, log),
    profile: tokenProfile(config),
    clock: systemClock,
    metrics,
    log,
    staleMaxMs: config.JWKS_STALE_MAX,
    lifetimeMaxMs: config.JWT_LIFETIME_MAX,
  });
}
