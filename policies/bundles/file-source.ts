// A bundle in a file. Its folder is watched, and the file is looked at every two seconds: not every file system tells.
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { readPackedFile } from './bundle.ts';
import type { BundleSource } from './source.ts';

const POLL_MS = 2_000;
/** A change comes as several events, the first before all is written. */
const SETTLE_MS = 50;
/** Times of files are this coarse at worst: what was written just now may be written again without showing it. */
const RACY_MS = 2_000;

/** Makes the source of one file. A link is followed anew each time, as Kubernetes swaps them. */
export function createFileSource(path: string): BundleSource {
  const location = resolve(path);
  let seen: string | undefined;

  /** What tells one state of the file from another; undefined where it cannot be relied on yet. */
  async function stamp(): Promise<string | undefined> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(location, { bigint: true });
      const isRacy = Date.now() - Number(mtimeNs / 1_000_000n) < RACY_MS;
      return isRacy ? undefined : [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    } catch {
      return undefined; // Reading it says what is wrong.
    }
  }

  return {
    location,
    pauseMs: () => POLL_MS,
    async look({ anew }) {
      const before = await stamp();
      if (!anew && before !== undefined && before === seen) return { kind: 'unchanged' };
      const packed = await readPackedFile(location);
      seen = before !== undefined && before === (await stamp()) ? before : undefined;
      return { kind: 'found', packed };
    },
    watch: (onHint) => watchFolder(dirname(location), onHint),
  };
}

/** The folder, not the file: a file that is replaced is another one, and its watcher would hear nothing more. */
function watchFolder(folder: string, onHint: () => void): () => void {
  let settling: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(folder, { persistent: false }, () => {
      clearTimeout(settling);
      settling = setTimeout(onHint, SETTLE_MS);
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // No folder, or no more watchers to be had: the file is looked at all the same.
  }
  return () => {
    clearTimeout(settling);
    watcher?.close();
  };
}
