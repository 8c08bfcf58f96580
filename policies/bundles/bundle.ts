// Reads a bundle as `opa build -t wasm` makes it: policy.wasm, data.json and .manifest in a tar.gz.
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { readTar } from './tar.ts';

export const ENTRYPOINT = 'tailrace/decision';

/** Packed and unpacked: data takes 21 times its size in WebAssembly's memory. */
const PACKED_BYTES_MAX = 8 * 1024 * 1024;
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

export interface Bundle {
  readonly revision: string;
  /** The compiled policy that answers ENTRYPOINT. */
  readonly wasm: Uint8Array;
  /** The data documents, e.g. the table of roles. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Whatever the author wrote beside: tailrace's own build puts a hash of the rules here. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

const manifestSchema = z.object({
  revision: z.string().min(1),
  metadata: z.record(z.string(), z.unknown()).default({}),
  wasm: z.array(z.object({ entrypoint: z.string(), module: z.string() })),
});
const dataSchema = z.record(z.string(), z.unknown());

/** Where the bundle stands that comes with the program. */
export function shippedBundlePath(): string {
  return fileURLToPath(new URL('../bundle.tar.gz', import.meta.url));
}

/** Reads a bundle from a file. @throws TailraceError `policy_bundle_invalid`. */
export async function readBundleFile(path: string): Promise<Bundle> {
  let packed: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > PACKED_BYTES_MAX) throw invalid(`${path} is larger than ${PACKED_BYTES_MAX} bytes`);
    packed = await readFile(path);
  } catch (thrown) {
    if (thrown instanceof TailraceError) throw thrown;
    throw invalid(`${path} cannot be read (${messageOf(thrown)})`);
  }
  return readBundle(packed);
}

/** Reads a bundle's bytes. @throws TailraceError `policy_bundle_invalid`. */
export function readBundle(packed: Uint8Array): Bundle {
  const files = unpack(packed);
  const manifest = json(files, '.manifest', manifestSchema);
  const entry = manifest.wasm.find(({ entrypoint }) => entrypoint === ENTRYPOINT);
  if (entry === undefined) {
    throw invalid(`it has no entrypoint ${ENTRYPOINT}; build it with opa build -e ${ENTRYPOINT}`);
  }
  const wasm = files.get(entry.module.replace(/^\/+/, ''));
  if (wasm === undefined) throw invalid(`${entry.module} is missing; build it with -t wasm`);
  const data = files.has('data.json') ? json(files, 'data.json', dataSchema) : {};
  return { revision: manifest.revision, wasm, data, metadata: manifest.metadata };
}

function unpack(packed: Uint8Array): Map<string, Uint8Array> {
  let archive: Uint8Array;
  try {
    archive = gunzipSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (thrown) {
    throw invalid(`it is no gzip of at most ${UNPACKED_BYTES_MAX} bytes (${messageOf(thrown)})`);
  }
  const files = readTar(archive);
  if (files === undefined) throw invalid('it is no tar archive, or is cut off');
  return new Map(files.map(({ name, bytes }) => [name, bytes]));
}

function json<T>(files: ReadonlyMap<string, Uint8Array>, name: string, schema: z.ZodType<T>): T {
  const bytes = files.get(name);
  if (bytes === undefined) throw invalid(`${name} is missing`);
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (thrown) {
    const fault = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw invalid(`${name} is wrong: ${fault}`);
  }
}

function invalid(fault: string): TailraceError {
  return new TailraceError('policy_bundle_invalid', `The policy bundle cannot be used: ${fault}.`);
}
