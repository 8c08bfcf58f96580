// What can be said of a token before any key is looked for: whether it is a JWT of a kind that is taken here.
import { hasDuplicateMembers } from './json-members.ts';
import { invalid } from './refusals.ts';

/** Longer than any header may be. */
const TOKEN_LENGTH_MAX = 16_384;
const KID_LENGTH_MAX = 1_024;

/** Asymmetric only: with a shared secret, whoever can verify could also sign. */
const ALGORITHMS: readonly string[] = [
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

/** RFC 7519 and RFC 9068. Others are made for something else: logout tokens, proofs of possession, security events. */
const TYPES = new Set(['jwt', 'at+jwt']);

/** What an unverified token says of itself: only good for choosing the key that it is then verified with. */
export interface TokenForm {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly issuer: string;
}

/**
 * Reads a token's form. Where keys come from is never taken from the token: `jku`, `x5u`, `jwk` and `x5c` are left
 * unread, because some issuers send them with every token.
 * @throws TailraceError `token_invalid`.
 */
export function readTokenForm(token: string): TokenForm {
  const parts = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/.exec(token);
  if (parts?.[1] === undefined || parts[2] === undefined) throw invalid('is no JWT');
  const header = readObject(parts[1]);
  checkKind(header);
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) {
    throw invalid('is signed with an algorithm that is not allowed');
  }
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_LENGTH_MAX)) {
    throw invalid('names its key in a way that is not allowed');
  }
  const { iss } = readObject(parts[2]);
  if (iss === undefined) throw invalid('has no claim iss');
  if (typeof iss !== 'string') throw invalid('has a claim iss that does not fit here');
  return { alg, kid, issuer: iss };
}

/** Refuses before anything of it is read. */
export function checkLength(token: string): void {
  if (token.length > TOKEN_LENGTH_MAX) throw invalid('is too long');
}

function checkKind(header: Readonly<Record<string, unknown>>): void {
  const { typ, cty, crit, b64 } = header;
  if (typ !== undefined && !isTakenType(typ)) throw invalid('is of a type that is not taken here');
  if (cty !== undefined) throw invalid('holds something else than claims');
  if (crit !== undefined || b64 !== undefined) {
    throw invalid('needs extensions that are not known here');
  }
}

/** Media types may leave out their `application/` (RFC 7515 clause 4.1.9), and are the same in capitals. */
function isTakenType(typ: unknown): boolean {
  return typeof typ === 'string' && TYPES.has(typ.toLowerCase().replace(/^application\//, ''));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function readObject(part: string): Readonly<Record<string, unknown>> {
  let text: string;
  let read: unknown;
  try {
    text = utf8.decode(Buffer.from(part, 'base64url'));
    read = JSON.parse(text);
  } catch {
    throw invalid('is no JWT');
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw invalid('is no JWT');
  if (hasDuplicateMembers(text)) throw invalid('says something twice');
  return read as Readonly<Record<string, unknown>>;
}
