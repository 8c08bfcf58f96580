// Bundles for tests: packed, signed and spoilt without OPA, from what OPA built (policies/bundles/fixtures/).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { CompactSign } from 'jose';
import { unpackBundle } from '../policies/bundles/bundle.ts';
import { canonicalJson } from '../policies/bundles/canonical.ts';

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A file of policies/bundles/fixtures/. */
export function fixture(name: string): Buffer {
  return readFileSync(new URL(`../policies/bundles/fixtures/${name}`, import.meta.url));
}

/** A tar.gz of these files. */
export function pack(files: Files): Uint8Array {
  const blocks = Object.entries(files).map(([name, content]) => {
    const bytes = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(`/${name}`, 0);
    header.write(bytes.length.toString(8).padStart(11, '0'), 124);
    header.write('        0', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(bytes.length / 512) * 512);
    bytes.copy(body);
    return Buffer.concat([header, body]);
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 1 });
}

/** What the rules of `unsigned.tar.gz` are to say. */
export interface BundleOrder {
  readonly revision?: string;
  readonly answer?: unknown;
  /** 100,000 never ends. */
  readonly rounds?: number;
  /** Data beside, of any size. */
  readonly odd?: unknown;
  readonly roots?: readonly string[];
  readonly wasm?: Uint8Array;
}

export const ALLOWED = { allow: true, reason: 'the test says so', series: [[]], obligations: {} };

/** The files of a bundle whose decision is `answer`. */
export function bundleFiles(order: BundleOrder = {}): Record<string, string | Uint8Array> {
  const { revision = '1', answer = ALLOWED, rounds, odd, wasm } = order;
  const { roots = ['tailrace', 'answer', 'rounds', 'odd'] } = order;
  const modules = [{ entrypoint: 'tailrace/decision', module: '/policy.wasm' }];
  return {
    'data.json': JSON.stringify({ answer, rounds, odd }),
    'policy.wasm': wasm ?? unpackBundle(fixture('unsigned.tar.gz')).get('policy.wasm') ?? '',
    '.manifest': JSON.stringify({ revision, roots, wasm: modules, rego_version: 1 }),
  };
}

/** A bundle whose decision is `answer`. */
export function makeBundle(order: BundleOrder = {}): Uint8Array {
  return pack(bundleFiles(order));
}

export interface Signing {
  readonly key: Parameters<CompactSign['sign']>[0];
  readonly algorithm: string;
  readonly hash?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly kid?: string;
}

/** The files with a signature over them, as `opa build --signing-key` makes it. */
export async function sign(
  files: Files,
  { key, algorithm, hash = 'SHA-256', claims = {}, kid = 'default' }: Signing,
): Promise<Record<string, string | Uint8Array>> {
  const listed = Object.entries(files).map(([name, content]) => {
    const structured = /(^|\/)(data\.json|\.manifest)$/.test(name);
    const hashed = structured ? canonicalJson(Buffer.from(content).toString()) : content;
    const digest = createHash(hash.replace('-', '').toLowerCase()).update(hashed).digest('hex');
    return { name, hash: digest, algorithm: hash };
  });
  const payload = Buffer.from(JSON.stringify({ files: listed, ...claims }));
  const token = await new CompactSign(payload)
    .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
    .sign(key);
  return { ...files, '.signatures.json': JSON.stringify({ signatures: [token], plugin: '' }) };
}

/** Puts a file in place at once, as who publishes should. */
export async function publish(path: string, packed: Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, packed);
  await rename(`${path}.new`, path);
}
