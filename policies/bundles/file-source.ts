// A bundle in a file.
import { createWatchedFile, POLL_MS } from '../../lib/watched-file.ts';
import { readPackedFile } from './bundle.ts';
import type { BundleSource } from './source.ts';

/** Makes the source of one file. */
export function createFileSource(path: string): BundleSource {
  const file = createWatchedFile(path);
  return {
    location: file.location,
    pauseMs: () => POLL_MS,
    async look({ anew }) {
      const packed = await file.read(readPackedFile, anew);
      return packed === undefined ? { kind: 'unchanged' } : { kind: 'found', packed };
    },
    watch: file.watch,
  };
}
