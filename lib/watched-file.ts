// A file that others replace while the process runs. Its folder is watched, and the file is looked at every two seconds:
// not every file system tells.
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Pause between two looks. */
export const POLL_MS = 2_000;
/** A change comes as several events, the first before all is written. */
const SETTLE_MS = 50;
/** Times of files are this coarse at worst: what was written just now may be written again without showing it. */
const RACY_MS = 2_000;

export interface WatchedFile {
  /** Its absolute path. A link is followed anew each time, as Kubernetes swaps them. */
  readonly location: string;
  /**
   * Reads it with `reader`, unless it is surely the file that was read before: then undefined. With `anew` it is read
   * in any case.
   */
  read<T>(reader: (location: string) => Promise<T>, anew: boolean): Promise<T | undefined>;
  /** Calls `onHint` when a look is worth it. Gives back the way to end it. */
  watch(onHint: () => void): () => void;
}

/** Begins to look at a file, which need not be there. */
export function createWatchedFile(path: string): WatchedFile {
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
    async read(reader, anew) {
      const before = await stamp();
      if (!anew && before !== undefined && before === seen) return undefined;
      const content = await reader(location);
      seen = before !== undefined && before === (await stamp()) ? before : undefined;
      return content;
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
