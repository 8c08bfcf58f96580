// Issues tokens with the local signing key: what `tailrace token` prints, and what the demo signs in with.
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { TailraceError } from '../../lib/errors.ts';
import { SIGNING_ALGORITHM, type SigningKey } from './signing-key.ts';
import type { TokenProfile } from './verifier.ts';

export interface TokenOrder {
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly ttlS: number;
  /** Further claims, e.g. the list `assets`. One of a name that is issued anyway, such as `sub`, takes its place. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly nowMs: number;
}

/** A token, and what it says. */
export interface IssuedToken {
  readonly token: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Issues a token. Its subject is the same whenever tenant and roles are the same, so that limits for a subject hold
 * across its tokens. @throws TailraceError `usage` where a further claim would say the tenant or the roles again.
 */
export async function issueToken(
  key: SigningKey,
  profile: TokenProfile,
  order: TokenOrder,
): Promise<IssuedToken> {
  const { issuers, audiences, tenantClaim, rolesClaim } = profile;
  const { tenant, ttlS, claims: further = {}, nowMs } = order;
  for (const name of [tenantClaim, rolesClaim]) {
    if (Object.hasOwn(further, name)) {
      throw new TailraceError('usage', `The claim ${name} has an option of its own.`);
    }
  }
  const roles = [...new Set(order.roles)];
  const issuedAtS = Math.floor(nowMs / 1000);
  const claims = {
    sub: `${tenant}/${roles.toSorted().join('+')}`,
    [tenantClaim]: tenant,
    [rolesClaim]: roles,
    iss: issuers[0] ?? '',
    aud: audiences[0] ?? '',
    iat: issuedAtS,
    exp: issuedAtS + ttlS,
    jti: randomUUID(),
    ...further,
  };
  const header = { alg: SIGNING_ALGORITHM, typ: 'JWT', kid: key.kid };
  const token = await new SignJWT(claims).setProtectedHeader(header).sign(key.privateKey);
  return { token, claims };
}
