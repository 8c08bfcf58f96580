// The shipped bundle with other data and another revision, packed as `opa build` packs it.
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { shippedBundlePath, unpackBundle } from '../../policies/bundles/bundle.ts';

const BLOCK = 512;

/** A ustar archive's entry: header, content, and zeros to the end of its last block. */
function entryOf(name: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(`/${name}`, 0);
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  // The sum is over the header with its own field as spaces.
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return Buffer.concat([header, content, padding]);
}

/** Packs it; `tables` take the place of those of the same names. */
export async function packShipped(
  revision: number,
  tables: Readonly<Record<string, unknown>>,
): Promise<{ packed: Uint8Array; dataJson: string }> {
  const files = new Map(unpackBundle(await readFile(shippedBundlePath())));
  const readJson = (name: string) =>
    JSON.parse(Buffer.from(files.get(name) ?? '').toString()) as Record<string, unknown>;
  const dataJson = JSON.stringify({ ...readJson('data.json'), ...tables });
  files.set('data.json', Buffer.from(dataJson));
  const manifest = { ...readJson('.manifest'), revision: String(revision) };
  files.set('.manifest', Buffer.from(JSON.stringify(manifest)));
  const entries = Array.from(files, ([name, content]) => entryOf(name, content));
  return { packed: gzipSync(Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)])), dataJson };
}
