// Where the embedded database of a data directory is to be found: by its own process, and by commands beside it.
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the terminator. */
const SOCKET_PATH_BYTES_MAX = 100;
const SOCKET_NAME = '.s.PGSQL.5432';

/** The files of a data directory that belong to its embedded database. */
export interface EmbeddedPaths {
  /** PostgreSQL's own directory. */
  readonly database: string;
  /** Where the process that holds the database leaves its mark. */
  readonly lock: string;
  /** Directory of the socket: what a client gives as host. */
  readonly socketDirectory: string;
  readonly socket: string;
  /** The socket's directory is one of our own making outside the data directory. */
  readonly isElsewhere: boolean;
}

/**
 * The paths for a data directory; always the same for the same one. Where the socket's path would be too long for the
 * system, it stands in a short directory of the user's under os.tmpdir().
 */
export function embeddedPaths(dataDir: string): EmbeddedPaths {
  const root = resolve(dataDir);
  let socketDirectory = root;
  if (Buffer.byteLength(join(socketDirectory, SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX) {
    const digest = createHash('sha256').update(root).digest('hex').slice(0, 16);
    socketDirectory = join(tmpdir(), `tailrace-${process.getuid?.() ?? 0}-${digest}`);
  }
  return {
    database: join(root, 'db'),
    lock: join(root, 'run'),
    socketDirectory,
    socket: join(socketDirectory, SOCKET_NAME),
    isElsewhere: socketDirectory !== root,
  };
}
