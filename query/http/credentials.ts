// Where else than behind `Bearer` a client puts its token: Influx's clients have ways of their own.
import type { Request } from './request.ts';

/** Text that stands behind a scheme in an Authorization header. */
function behind(scheme: RegExp, header: string): string | undefined {
  return scheme.exec(header)?.[1];
}

/** The password of HTTP Basic (RFC 7617), which may hold colons; the user name is anybody's. */
function passwordOf(encoded: string): string | undefined {
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/**
 * The Authorization header of a request as if its client had written `Bearer <token>`: it may say `Token <token>` (what
 * Influx's clients send), or HTTP Basic with any user name and the token as password, or nothing where the URL says
 * `u` and `p`. What is none of these stays as it is, and is refused as such.
 */
export function foreignAuthorization({ headers, query }: Request): string | undefined {
  const header = headers.get('authorization');
  if (header === undefined || header.trim() === '') {
    const password = query.get('p');
    return password === null || password === '' ? header : `Bearer ${password}`;
  }
  const token = behind(/^Token +(\S+) *$/i, header);
  if (token !== undefined) return `Bearer ${token}`;
  const encoded = behind(/^Basic +([A-Za-z0-9+/\-_]+=*) *$/i, header);
  const password = encoded === undefined ? undefined : passwordOf(encoded);
  return password === undefined ? header : `Bearer ${password}`;
}
