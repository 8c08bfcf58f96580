// Which tokens are over before their time: all of a subject that were issued until now, one by its id, or those of a key
// that was withdrawn. In memory; who keeps revocations for other processes and the next start tells this set of them.
import type { Claims } from '../grant.ts';

/** One revocation, of a subject or of a token id (`jti`), never of both; times in ms since 1970. */
export interface Revocation {
  readonly tenant: string;
  readonly subject?: string;
  readonly tokenId?: string;
  /**
   * Of a subject's tokens those are over that were issued in this second or before, or do not say when. By the issuer's
   * clock: one more second would take along what a right one issues after the revocation, for the whole life of that.
   */
  readonly revokedAtMs: number;
  /** From then on no token can be left that it is about; absent where that is not known. */
  readonly expiresAtMs?: number;
}

/** As large as whoever adds makes it: the store that does has a maximum, and a metric. */
export interface Revocations {
  isRevoked(claims: Claims): boolean;
  /** Takes one in. */
  add(revocation: Revocation): void;
  /** Drops those that expired by then. */
  forget(untilMs: number): void;
  /** Calls `listener` whenever there may be more tokens over than before. Gives back the way to end it. */
  onAdded(listener: () => void): () => void;
  /** Tells listeners that a key was withdrawn. */
  keysChanged(): void;
  readonly size: number;
}

/** Whether a token with these claims is over by this revocation. */
function covers(revocation: Revocation, claims: Claims): boolean {
  const { tenant, subject, tokenId, revokedAtMs } = revocation;
  if (tenant !== claims.tenant) return false;
  if (tokenId !== undefined) return claims.jti === tokenId;
  if (subject !== claims.sub) return false;
  const { iat } = claims;
  return typeof iat !== 'number' || iat <= Math.floor(revokedAtMs / 1_000);
}

/** Both in one: the later covers the tokens of the earlier, and it is known until the last of them is over. */
function merge(one: Revocation, other: Revocation): Revocation {
  const { expiresAtMs: first, ...later } = one.revokedAtMs >= other.revokedAtMs ? one : other;
  const second = one.revokedAtMs >= other.revokedAtMs ? other.expiresAtMs : one.expiresAtMs;
  if (first === undefined || second === undefined) return later;
  return { ...later, expiresAtMs: Math.max(first, second) };
}

/** Makes an empty set. `isWithdrawn` says of verified claims whether the key that they were verified with is gone. */
export function createRevocations(
  isWithdrawn: (claims: Claims) => boolean = () => false,
): Revocations {
  const bySubject = new Map<string, Revocation>();
  const byTokenId = new Map<string, Revocation>();
  const listeners = new Set<() => void>();
  const key = (tenant: string, name: string) => JSON.stringify([tenant, name]);
  const tell = () => {
    for (const listener of listeners) listener();
  };

  return {
    isRevoked(claims) {
      const { tenant, sub, jti } = claims;
      if (isWithdrawn(claims)) return true;
      if (bySubject.size > 0) {
        const bySub = bySubject.get(key(tenant, sub));
        if (bySub !== undefined && covers(bySub, claims)) return true;
      }
      return byTokenId.size > 0 && jti !== undefined && byTokenId.has(key(tenant, jti));
    },
    add(revocation) {
      const { tenant, subject, tokenId, revokedAtMs } = revocation;
      const [known, name] = tokenId === undefined ? [bySubject, subject] : [byTokenId, tokenId];
      const at = key(tenant, name ?? '');
      const before = known.get(at);
      known.set(at, before === undefined ? revocation : merge(before, revocation));
      if (before !== undefined && before.revokedAtMs >= revokedAtMs) return;
      tell();
    },
    keysChanged: tell,
    forget(untilMs) {
      for (const known of [bySubject, byTokenId]) {
        for (const [at, { expiresAtMs }] of known) {
          if (expiresAtMs !== undefined && expiresAtMs <= untilMs) known.delete(at);
        }
      }
    },
    onAdded(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get size() {
      return bySubject.size + byTokenId.size;
    },
  };
}
