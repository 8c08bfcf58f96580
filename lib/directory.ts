// Making folders, with an error where that cannot be.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, TailraceError } from './errors.ts';

/**
 * Makes a folder and those above it that are missing; nothing where it is there. Node's own recursive mkdir never comes
 * back from a file system that answers ENOENT to a new folder, as /proc does.
 * @throws TailraceError `directory_unusable`.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    makeWithParents(path, mode);
  } catch (cause) {
    throw new TailraceError('directory_unusable', `${path} cannot be made: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function makeWithParents(path: string, mode: number): void {
  if (isMade(path, mode) || dirname(path) === path) return;
  makeWithParents(dirname(path), mode);
  if (!isMade(path, mode)) mkdirSync(path, { mode });
}

/** True where the folder is there now; false where one above it is missing. */
function isMade(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EEXIST') return true;
    if (code === 'ENOENT') return false;
    throw cause;
  }
}
