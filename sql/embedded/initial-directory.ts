// An empty database, made once when the program is built. Making one takes some 5 s of CPU (initdb in WebAssembly),
// copying one a tenth of a second, and a first start is what people judge by.
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDirectory } from '../../lib/directory.ts';
import { openBackend } from './backend.ts';

const INITIAL = fileURLToPath(new URL('./initial/', import.meta.url));

/** Whether there is a PostgreSQL data directory at `directory`. */
function isMade(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).length > 0;
}

/** Makes the empty database beside this file. For the build. */
export async function makeInitialDirectory(): Promise<void> {
  rmSync(INITIAL, { recursive: true, force: true });
  makeDirectory(INITIAL);
  const backend = await openBackend(INITIAL, 1 << 20);
  backend.close();
}

/**
 * Puts an empty database at `directory` if nothing is there yet. A copy that was interrupted is begun again: the
 * directory gets its name when it is whole. Without a built one the engine makes its own, which takes longer.
 */
export function placeInitialDirectory(directory: string): void {
  if (isMade(directory) || !isMade(INITIAL)) return;
  const partial = `${directory}.partial`;
  rmSync(partial, { recursive: true, force: true });
  makeDirectory(dirname(directory), 0o700);
  cpSync(INITIAL, partial, { recursive: true });
  renameSync(partial, directory);
}
