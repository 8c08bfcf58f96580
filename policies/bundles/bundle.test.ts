// The shipped bundle belongs to the rules beside it, and what is no bundle is refused with a sentence.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { hashSources } from '../sources.mjs';
import {
  readBundleFile,
  readBundle as readFiles,
  shippedBundlePath,
  unpackBundle,
} from './bundle.ts';

const readBundle = (packed: Uint8Array) => readFiles(unpackBundle(packed));
const RULES = fileURLToPath(new URL('../rego', import.meta.url));

/** A tar.gz of these files. */
function pack(files: Readonly<Record<string, string>>): Uint8Array {
  const blocks = Object.entries(files).map(([name, content]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(Buffer.byteLength(content).toString(8).padStart(11, '0'), 124);
    header.write('        0', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
    body.write(content);
    return Buffer.concat([header, body]);
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

const MANIFEST = {
  revision: '7',
  wasm: [{ entrypoint: 'tailrace/decision', module: '/policy.wasm' }],
};
const FILES = {
  '/.manifest': JSON.stringify(MANIFEST),
  '/data.json': '{"roles":{}}',
  '/policy.wasm': 'wasm',
};

describe('the shipped bundle', () => {
  it('was built from the rules and data as they stand in policies/rego', async () => {
    const { metadata } = await readBundleFile(shippedBundlePath());
    const advice = 'the rules changed since the bundle was built: npm run policy';
    expect(metadata.sources_sha256, advice).toBe(hashSources(RULES));
  });

  it('holds the data documents as they stand in policies/rego', async () => {
    const { data, revision } = await readBundleFile(shippedBundlePath());
    for (const name of ['roles', 'groups', 'shifts', 'classification']) {
      const text = await readFile(join(RULES, name, 'data.json'), 'utf8');
      expect(data[name], name).toEqual(JSON.parse(text));
    }
    expect(Number(revision)).toBeGreaterThan(0);
  });
});

describe('reading a bundle', () => {
  it('takes the module of its entrypoint, and its data', () => {
    const { revision, wasm, data } = readBundle(pack(FILES));
    expect(revision).toBe('7');
    expect(Buffer.from(wasm).toString()).toBe('wasm');
    expect(data).toEqual({ roles: {} });
  });

  const { '/policy.wasm': _wasm, ...withoutWasm } = FILES;
  const { '/.manifest': _manifest, ...withoutManifest } = FILES;
  const elsewhere = [{ entrypoint: 'other/decision', module: '/policy.wasm' }];
  const REFUSED: readonly (readonly [what: string, packed: Uint8Array, words: RegExp])[] = [
    ['nothing', new Uint8Array(), /no gzip/],
    ['text', Buffer.from('hello'), /no gzip/],
    ['a gzip of text', gzipSync('hello'), /no tar archive/],
    [
      'a gzip of more than it may hold',
      gzipSync(Buffer.alloc(65 * 1024 * 1024)),
      /no gzip of at most/,
    ],
    ['an archive that is cut off', gzipSync(gunzipSync(pack(FILES)).subarray(0, 1536)), /cut off/],
    ['an archive without a manifest', pack(withoutManifest), /\.manifest is missing/],
    ['an archive without policy.wasm', pack(withoutWasm), /policy\.wasm is missing/],
    ['a manifest that is no JSON', pack({ ...FILES, '/.manifest': '{' }), /\.manifest is wrong/],
    ['a manifest without a revision', pack({ ...FILES, '/.manifest': '{"wasm":[]}' }), /revision/],
    [
      'another entrypoint',
      pack({ ...FILES, '/.manifest': JSON.stringify({ ...MANIFEST, wasm: elsewhere }) }),
      /no entrypoint tailrace\/decision/,
    ],
    ...[
      { revision: '' },
      { revision: 'x'.repeat(201) },
      { revision: 7 },
      { roots: 'tailrace' },
      { roots: [1] },
      { roots: null },
      { metadata: [] },
      { wasm: {} },
      { wasm: [{ entrypoint: 'tailrace/decision' }] },
      { wasm: [null] },
    ].map(
      (change) =>
        [
          `a manifest with ${JSON.stringify(change).slice(0, 50)}`,
          pack({ ...FILES, '/.manifest': JSON.stringify({ ...MANIFEST, ...change }) }),
          new RegExp(`\\.manifest is wrong: ${Object.keys(change)[0]} is no`),
        ] as const,
    ),
    ['a manifest that is a list', pack({ ...FILES, '/.manifest': '[]' }), /it is no object/],
    ['data that is a list', pack({ ...FILES, '/data.json': '[]' }), /data\.json is wrong/],
  ];
  test.each(REFUSED)('refuses %s', (_what, packed, words) => {
    expect(() => readBundle(packed)).toThrow(
      expect.objectContaining({
        code: 'policy_bundle_invalid',
        message: expect.stringMatching(words),
      }),
    );
  });

  it('names the file that is not there or too large', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-bundle-'));
    const large = join(folder, 'large.tar.gz');
    try {
      await writeFile(large, Buffer.alloc(9 * 1024 * 1024));
      await expect(readBundleFile(large)).rejects.toThrow(/large\.tar\.gz is larger/);
      await expect(readBundleFile(join(folder, 'no'))).rejects.toThrow(/no cannot be read/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
