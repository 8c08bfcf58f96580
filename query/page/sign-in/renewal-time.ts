// When a token is renewed: early enough that nothing ever waits for it.

/** What is said of an access token whose lifetime nobody says. */
const UNKNOWN_MS = 300_000;
const BEFORE_END_MS = 60_000;

/**
 * After 80 % of the lifetime or a minute before its end, whichever is first, but never before half of it: a token that
 * lives for seconds would otherwise be renewed at once and for ever.
 */
export function renewalTime(nowMs: number, lifetimeMs: number): number {
  return nowMs + Math.max(lifetimeMs / 2, Math.min(lifetimeMs * 0.8, lifetimeMs - BEFORE_END_MS));
}

/** How long a token lives, in ms: by the issuer's word, else by its own `exp`. */
export function lifetimeOf(expiresInS: number | undefined, token: string, nowMs: number): number {
  if (expiresInS !== undefined && expiresInS > 0) return expiresInS * 1_000;
  const endMs = endOf(token);
  return endMs === undefined || endMs <= nowMs ? UNKNOWN_MS : endMs - nowMs;
}

/** `exp` of a JWT in ms; undefined where it is none that can be read. */
function endOf(token: string): number | undefined {
  try {
    const [, payload = ''] = token.split('.');
    const { exp } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof exp === 'number' ? exp * 1_000 : undefined;
  } catch {
    return undefined;
  }
}
