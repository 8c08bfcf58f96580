// Which origins the page has to reach to sign in: the issuer's own, and those of the endpoints that it asks for tokens,
// which some issuers have elsewhere. Only its discovery document says so.
import type { Clock } from '../../lib/clock.ts';
import { readBody } from '../../lib/read-body.ts';

/** Pages that are opened wait so long for an issuer that does not answer, and then for a while not at all. */
const WAIT_MS = 2_000;
const FRESH_MS = 3_600_000;
const RETRY_MS = 30_000;
const DOCUMENT_MAX_BYTES = 256 * 1024;
/** What the page asks itself; to every other endpoint it goes. */
const ENDPOINTS = ['token_endpoint', 'revocation_endpoint'];

/** Gives the origins as far as they are known; never rejects. */
export type SignInOrigins = () => Promise<readonly string[]>;

/** Makes the knowledge of an issuer's origins: asked for when it is needed, and again from time to time. */
export function createSignInOrigins(issuer: string, clock: Clock): SignInOrigins {
  const own = new URL(issuer).origin;
  let known: readonly string[] = [own];
  let againAtMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    againAtMs = clock() + RETRY_MS;
    try {
      known = originsIn(own, await readDocument(issuer));
      againAtMs = clock() + FRESH_MS;
    } catch {
      // The page says what is wrong as soon as somebody wants to sign in.
    }
  }

  return async () => {
    if (clock() >= againAtMs) {
      asking = ask().finally(() => {
        asking = undefined;
      });
    }
    await asking;
    return known;
  };
}

async function readDocument(issuer: string): Promise<unknown> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(WAIT_MS),
  });
  return JSON.parse((await readBody(response, DOCUMENT_MAX_BYTES)).toString('utf8'));
}

/** Origins of a URL's own writing only: they become a part of a header. */
function originsIn(own: string, document: unknown): string[] {
  const members: Readonly<Record<string, unknown>> =
    typeof document === 'object' && document !== null ? { ...document } : {};
  const origins = ENDPOINTS.flatMap((name) => {
    const value = members[name];
    if (typeof value !== 'string' || !URL.canParse(value)) return [];
    const { origin, protocol } = new URL(value);
    return protocol === 'https:' || protocol === new URL(own).protocol ? [origin] : [];
  });
  return [...new Set([own, ...origins])];
}
