// A JSON Web Key Set as it is used here: public keys that sign, each with the algorithms that it may be used with.
import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { z } from 'zod';

const KEYS_MAX = 100;
/** RFC 7518 clause 3.3 asks for 2048 at least; above 8192 a verification takes milliseconds. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const ALGORITHMS_BY_CURVE: Readonly<Record<string, readonly string[]>> = {
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'EC P-521': ['ES512'],
  'OKP Ed25519': ['EdDSA', 'Ed25519'],
};
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** A key that signatures are verified with. */
export interface VerificationKey {
  readonly kid: string | undefined;
  /** RFC 7638: the same for the same key, whatever it is called. */
  readonly thumbprint: string;
  readonly algorithms: ReadonlySet<string>;
  /** The key for one of its algorithms. */
  use(alg: string): Promise<CryptoKey>;
}

export interface KeySet {
  readonly keys: readonly VerificationKey[];
  /** What is in the document and not used, and why: for the log. */
  readonly refused: readonly { readonly kid: string | undefined; readonly reason: string }[];
}

const jwkSchema = z.looseObject({
  kty: z.string(),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
});
const documentSchema = z.object({ keys: z.array(z.unknown()).max(KEYS_MAX) });
type ReadJwk = z.infer<typeof jwkSchema>;

/**
 * Reads a JSON Web Key Set (RFC 7517). Keys that cannot be used are left out, not the whole set.
 * @throws Error where it is none, or has more than 100 keys.
 */
export async function readKeySet(text: string): Promise<KeySet> {
  const parsed = documentSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`no JSON Web Key Set of at most ${KEYS_MAX} keys`);
  const keys: VerificationKey[] = [];
  const refused: { kid: string | undefined; reason: string }[] = [];
  for (const one of parsed.data.keys) {
    const jwk = jwkSchema.safeParse(one);
    const kid = jwk.success ? jwk.data.kid : undefined;
    try {
      if (!jwk.success) throw new Error('it is no key');
      keys.push(await verificationKey(jwk.data));
    } catch (thrown) {
      refused.push({ kid, reason: thrown instanceof Error ? thrown.message : 'it is no key' });
    }
  }
  return { keys, refused };
}

/** The algorithms that a key may be used with. @throws Error saying why there are none. */
function algorithmsOf(jwk: ReadJwk): readonly string[] {
  const { kty, alg, use, key_ops } = jwk;
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) {
    throw new Error('it is secret, or was: a key set holds public keys only');
  }
  if (use !== undefined && use !== 'sig') throw new Error(`it is for use ${use}`);
  if (key_ops !== undefined && !key_ops.includes('verify')) throw new Error('it does not verify');
  const possible = kty === 'RSA' ? rsaAlgorithms(jwk) : ALGORITHMS_BY_CURVE[`${kty} ${jwk.crv}`];
  if (possible === undefined) throw new Error(`keys of type ${kty} and this curve are not taken`);
  if (alg === undefined) return possible;
  if (possible.includes(alg)) return [alg];
  throw new Error(`it is no key for its algorithm ${alg}`);
}

function rsaAlgorithms({ n }: ReadJwk): readonly string[] {
  const modulus = typeof n === 'string' ? Buffer.from(n, 'base64url').toString('hex') : '';
  const bits = BigInt(`0x0${modulus}`).toString(2).length;
  if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) return RSA_ALGORITHMS;
  throw new Error(`an RSA key of ${bits} bits is too weak, or larger than ${RSA_BITS_MAX}`);
}

async function verificationKey(read: ReadJwk): Promise<VerificationKey> {
  const algorithms = algorithmsOf(read);
  const { kid, ...jwk } = read as JWK;
  const imported = new Map<string, Promise<CryptoKey>>();

  function use(alg: string): Promise<CryptoKey> {
    let key = imported.get(alg);
    if (key === undefined) {
      key = importPublic({ ...jwk, alg }, alg);
      imported.set(alg, key);
    }
    return key;
  }

  // What cannot be imported is to be known now, not when a token comes.
  for (const alg of algorithms) await use(alg);
  return {
    kid,
    thumbprint: await calculateJwkThumbprint(jwk),
    algorithms: new Set(algorithms),
    use,
  };
}

async function importPublic(jwk: JWK, alg: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, alg);
  if (key instanceof Uint8Array) throw new Error('it is a shared secret');
  return key;
}
