// Who signs the tokens of this process: the configured JWKS, or a key of its own below DATA_DIR.
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import {
  createTokenVerifier,
  type TokenKeys,
  type TokenProfile,
  type TokenVerifier,
} from '../policies/tokens/verifier.ts';

/** What tokens have to say under this configuration. */
export function tokenProfile(config: Config): TokenProfile {
  return {
    issuer: config.JWT_ISSUER[0] ?? '',
    audience: config.JWT_AUDIENCE[0] ?? '',
    tenantClaim: config.JWT_TENANT_CLAIM,
    rolesClaim: config.JWT_ROLES_CLAIM,
  };
}

async function tokenKeys(config: Config, log: Log): Promise<TokenKeys> {
  if (config.JWKS_URL !== undefined) return { kind: 'url', url: config.JWKS_URL[0] ?? '' };
  if (config.JWKS_FILE !== undefined) return { kind: 'file', path: config.JWKS_FILE };
  log.info('no JWKS is configured: tokens are those of `tailrace token`');
  return { kind: 'local', key: await openSigningKey(config.DATA_DIR) };
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
  });
}
