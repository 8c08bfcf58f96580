// Verifies the signature of an OPA bundle: .signatures.json has one JWS over the hashes of all other files.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { compactVerify, decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { SIGNATURES_FILE } from './bundle.ts';
import { canonicalJson } from './canonical.ts';

/** Asymmetric ones only: a public key must never do as a secret. */
const ALGORITHMS = [
  ...['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['EdDSA', 'Ed25519'],
];

/** MD5, SHA-1 and the short ones of OPA's list are not taken. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

/** Bounds the work that one bundle can make. */
const KEYS_MAX = 32;

/** What signatures are verified with. Plain text, so that it can be given to another thread. */
export interface SignatureProfile {
  /** PEM public keys or certificates, one after the other, or a JSON Web Key Set. */
  readonly keys: string;
  /** What the signature has to say as its scope; undefined: it must not have one. */
  readonly scope: string | undefined;
}

const signaturesSchema = z.object({
  signatures: z.array(z.string()).length(1, 'has to have exactly one signature'),
  plugin: z.enum(['', '_default']).optional(),
});
const payloadSchema = z.object({
  files: z.array(z.object({ name: z.string(), hash: z.string(), algorithm: z.string() })),
  scope: z.string().optional(),
});
const keySetSchema = z.object({
  keys: z.array(
    z.looseObject({ kty: z.string(), kid: z.string().optional(), alg: z.string().optional() }),
  ),
});

interface VerificationKey {
  readonly id: string | undefined;
  /** What a JSON Web Key says that it is for. */
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

/**
 * Reads the file that POLICY_KEYS names and tells whether there are keys in it.
 * @throws TailraceError `policy_keys_invalid`.
 */
export async function readSignatureProfile(
  path: string,
  scope: string | undefined,
): Promise<SignatureProfile> {
  try {
    const keys = await readFile(path, 'utf8');
    importKeys(keys);
    return { keys, scope };
  } catch (cause) {
    throw new TailraceError(
      'policy_keys_invalid',
      `POLICY_KEYS: ${path} has no public keys that can be used (${messageOf(cause)}).`,
      { cause },
    );
  }
}

/**
 * Verifies the signature of a bundle's files, by name.
 * @throws TailraceError `policy_unsigned`, `policy_signature_invalid`.
 */
export async function verifySignature(
  files: ReadonlyMap<string, Uint8Array>,
  profile: SignatureProfile,
): Promise<void> {
  const packed = files.get(SIGNATURES_FILE);
  if (packed === undefined) {
    throw new TailraceError(
      'policy_unsigned',
      'The policy bundle is refused: it is not signed, and POLICY_KEYS asks for a signature. Build it with ' +
        'opa build --signing-key and --signing-alg.',
    );
  }
  try {
    const { signatures } = signaturesSchema.parse(JSON.parse(utf8(packed)));
    const payload = await verifyToken(signatures[0] ?? '', importKeys(profile.keys));
    verifyScope(payload.scope ?? '', profile.scope ?? '');
    verifyFiles(files, payload.files);
  } catch (thrown) {
    const fault = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw new TailraceError(
      'policy_signature_invalid',
      `The policy bundle is refused: its signature does not hold (${fault}).`,
      { cause: thrown },
    );
  }
}

type Payload = z.output<typeof payloadSchema>;

async function verifyToken(token: string, keys: readonly VerificationKey[]): Promise<Payload> {
  const { kid } = decodeProtectedHeader(token);
  // OPA names its key `default` unless told otherwise: the name is a hint, and no key is left out where none has it.
  const named = keys.filter(({ id }) => id !== undefined && id === kid);
  let fault = 'no key fits it';
  for (const { key, algorithm } of named.length > 0 ? named : keys) {
    try {
      const { payload } = await compactVerify(token, key, {
        algorithms: algorithm === undefined ? ALGORITHMS : [algorithm],
      });
      return payloadSchema.parse(JSON.parse(utf8(payload)));
    } catch (thrown) {
      fault = messageOf(thrown);
    }
  }
  throw new Error(fault);
}

function verifyScope(scope: string, wanted: string): void {
  if (scope === wanted) return;
  throw new Error(`its scope is ${JSON.stringify(scope)}, and has to be ${JSON.stringify(wanted)}`);
}

/** Every file has to be listed with its right hash, and every listed file has to be there. */
function verifyFiles(files: ReadonlyMap<string, Uint8Array>, listed: Payload['files']): void {
  const open = new Map(listed.map((entry) => [entry.name.replace(/^\/+/, ''), entry]));
  if (open.size !== listed.length) throw new Error('a file is listed twice');
  for (const [name, bytes] of files) {
    if (name === SIGNATURES_FILE) continue;
    const entry = open.get(name);
    if (entry === undefined) throw new Error(`${name} is not listed in it`);
    const algorithm = HASHES.get(entry.algorithm);
    if (algorithm === undefined) throw new Error(`${entry.algorithm} is no hash that is taken`);
    const hash = createHash(algorithm).update(hashedForm(name, bytes)).digest('hex');
    if (hash !== entry.hash.toLowerCase()) throw new Error(`${name} was changed after signing`);
    open.delete(name);
  }
  const [missing] = open.keys();
  if (missing !== undefined) throw new Error(`${missing} is missing`);
}

/** Data and manifest are hashed as what they say, everything else as it stands (IsStructuredDoc in OPA). */
function hashedForm(name: string, bytes: Uint8Array): string | Uint8Array {
  const structured = ['data.json', '.manifest'].includes(basename(name));
  return structured ? canonicalJson(utf8(bytes)) : bytes;
}

function importKeys(text: string): VerificationKey[] {
  const keys = text.trimStart().startsWith('{') ? importKeySet(text) : importPem(text);
  if (keys.length === 0) throw new Error('it has no key');
  if (keys.length > KEYS_MAX) throw new Error(`it has more than ${KEYS_MAX} keys`);
  return keys;
}

function importKeySet(text: string): VerificationKey[] {
  return keySetSchema.parse(JSON.parse(text)).keys.map((jwk) => {
    if (jwk.kty === 'oct' || jwk.d !== undefined) throw new Error('it has a key that is secret');
    if (jwk.alg !== undefined && !ALGORITHMS.includes(jwk.alg)) {
      throw new Error(`it has a key for ${jwk.alg}, which is not taken`);
    }
    const { kid: id, alg: algorithm } = jwk;
    return { id, algorithm, key: createPublicKey({ key: jwk, format: 'jwk' }) };
  });
}

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

function importPem(text: string): VerificationKey[] {
  return [...text.matchAll(PEM)].map(([block, label = '']) => {
    if (label.includes('PRIVATE')) throw new Error('it has a private key, which belongs elsewhere');
    return { id: undefined, algorithm: undefined, key: createPublicKey(block) };
  });
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
