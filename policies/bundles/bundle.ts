// Reads a bundle as `opa build -t wasm` makes it: policy.wasm, data.json and .manifest in a tar.gz.
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { readManifest, readObject } from './manifest.ts';
import { refuseOutside } from './roots.ts';
import { readTar } from './tar.ts';

export const ENTRYPOINT = 'tailrace/decision';
/** Where the signature of all other files is. */
export const SIGNATURES_FILE = '.signatures.json';

/** Packed and unpacked: data takes 21 times its size in WebAssembly's memory. */
export const PACKED_BYTES_MAX = 8 * 1024 * 1024;
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

export interface Bundle {
  readonly revision: string;
  /** Paths below `data` that the bundle says are its own, without slashes around. */
  readonly roots: readonly string[];
  readonly entrypoints: readonly string[];
  /** The compiled policy that answers ENTRYPOINT. */
  readonly wasm: Uint8Array;
  /** The data documents, e.g. the table of roles. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The same as it stands in the bundle. */
  readonly dataJson: Uint8Array;
  /** Whatever the author wrote beside: tailrace's own build puts a hash of the rules here. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Where the bundle stands that comes with the program. */
export function shippedBundlePath(): string {
  return fileURLToPath(new URL('../bundle.tar.gz', import.meta.url));
}

/** Reads a bundle from a file. @throws TailraceError `policy_bundle_unreadable`, `policy_bundle_invalid`. */
export async function readBundleFile(path: string): Promise<Bundle> {
  return readBundle(unpackBundle(await readPackedFile(path)));
}

/** Reads a file that should be a bundle. @throws TailraceError `policy_bundle_unreadable`, `policy_bundle_invalid`. */
export async function readPackedFile(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > PACKED_BYTES_MAX) throw invalid(`${path} is larger than ${PACKED_BYTES_MAX} bytes`);
    return await readFile(path);
  } catch (thrown) {
    if (thrown instanceof TailraceError) throw thrown;
    throw new TailraceError(
      'policy_bundle_unreadable',
      `The policy bundle ${path} cannot be read (${messageOf(thrown)}).`,
      { cause: thrown },
    );
  }
}

/** The files of a bundle by name. @throws TailraceError `policy_bundle_invalid`. */
export function unpackBundle(packed: Uint8Array): ReadonlyMap<string, Uint8Array> {
  let archive: Uint8Array;
  try {
    archive = gunzipSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (thrown) {
    throw invalid(`it is no gzip of at most ${UNPACKED_BYTES_MAX} bytes (${messageOf(thrown)})`);
  }
  const listed = readTar(archive);
  if (listed === undefined) throw invalid('it is no tar archive, or is cut off');
  const files = new Map(listed.map(({ name, bytes }) => [name, bytes]));
  if (files.size < listed.length) throw invalid('it has a file twice');
  return files;
}

/** Reads a bundle's files. @throws TailraceError `policy_bundle_invalid`, `policy_roots_invalid`. */
export function readBundle(files: ReadonlyMap<string, Uint8Array>): Bundle {
  const manifest = json(files, '.manifest', readManifest);
  const entry = manifest.wasm.find(({ entrypoint }) => entrypoint === ENTRYPOINT);
  if (entry === undefined) {
    throw invalid(`it has no entrypoint ${ENTRYPOINT}; build it with opa build -e ${ENTRYPOINT}`);
  }
  const wasm = files.get(entry.module.replace(/^\/+/, ''));
  if (wasm === undefined) throw invalid(`${entry.module} is missing; build it with -t wasm`);
  const stray = [...files.keys()].find(isOtherData);
  if (stray !== undefined)
    throw invalid(`${stray} is not read; opa build puts data into data.json`);
  const data = files.has('data.json') ? json(files, 'data.json', readObject) : {};
  const { revision, metadata } = manifest;
  const roots = manifest.roots.map((root) => root.replace(/^\/+|\/+$/g, ''));
  const entrypoints = manifest.wasm.map(({ entrypoint }) => entrypoint);
  refuseOutside(roots, entrypoints, data);
  const dataJson = files.get('data.json') ?? Buffer.from('{}');
  return { revision, roots, entrypoints, wasm, data, dataJson, metadata };
}

/** Data in a place that `opa build` does not put it into: rules would miss it silently. */
function isOtherData(name: string): boolean {
  return name !== 'data.json' && /^data\.(json|ya?ml)$/.test(basename(name));
}

function json<T>(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  check: (value: unknown) => T,
): T {
  const bytes = files.get(name);
  if (bytes === undefined) throw invalid(`${name} is missing`);
  try {
    return check(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (thrown) {
    throw invalid(`${name} is wrong: ${messageOf(thrown)}`);
  }
}

function invalid(fault: string): TailraceError {
  return new TailraceError('policy_bundle_invalid', `The policy bundle cannot be used: ${fault}.`);
}
