// One process at a time may have a database directory open. The mark of a process is a Unix socket in the directory that it
// listens on: the system closes it with the process, however that ends, so that a zombie or a reused process id is never
// taken for a holder.
//
// Nobody ever takes over a mark. Each process puts up one of its own, under a name that is never used again, and only then
// looks at the others: of two that come at the same moment at least the later one sees the earlier. It holds the directory
// if it sees no other living mark after its own was up. Marks of the dead refuse connections and may be removed by anyone.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TailraceError } from '../../lib/errors.ts';

export interface DirectoryLock {
  /** Gives the directory free; may be called more than once. */
  release(): Promise<void>;
}

interface Mark {
  readonly processId: number;
  readonly nonce: string;
}

const SOCKET_PATH_BYTES_MAX = 100;
const RETRY_MS = 10;
/** Rounds of those that start together: each is lost to another process that went first and then gave up. */
const ROUNDS_MAX = 100;

/**
 * Takes a directory for this process.
 * @throws TailraceError `database_in_use`, naming the holder's process id (also as `details.processId`).
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const reach = reachable(directory);
  let rival: Mark | undefined;
  try {
    for (let attempt = 0; attempt < ROUNDS_MAX; attempt++) {
      const claim = await putUpMark(directory, reach.directory);
      const outcome = await settle(directory, reach.directory, claim.mark);
      if (outcome === 'held') {
        return {
          async release() {
            claim.takeDown();
            reach.close();
          },
        };
      }
      claim.takeDown();
      rival = outcome.rival;
      // Without a mark of its own, so that the one that goes first gets to be alone.
      if (outcome.holds || (await comesToHold(directory, reach.directory, rival))) break;
    }
  } catch (cause) {
    reach.close();
    throw cause;
  }
  reach.close();
  throw new TailraceError(
    'database_in_use',
    `The database in ${directory} is in use by process ${rival?.processId}: stop that process, or give this one another DATA_DIR.`,
    { details: { processId: rival?.processId } },
  );
}

/** Whether a process has the directory, or is about to; takes nothing. */
export async function isDirectoryInUse(directory: string): Promise<boolean> {
  const reach = reachable(directory);
  try {
    const nobody: Mark = { processId: 0, nonce: '' };
    return (await livingMarks(directory, reach.directory, nobody)).length > 0;
  } finally {
    reach.close();
  }
}

/** A path for sockets in `directory`: a too long one is reached through an open descriptor, where the system can. */
function reachable(directory: string): { directory: string; close(): void } {
  const longest = join(directory, markName('claim', { processId: 2 ** 31, nonce: 'x'.repeat(16) }));
  if (Buffer.byteLength(longest) <= SOCKET_PATH_BYTES_MAX) {
    return { directory, close: () => undefined };
  }
  if (process.platform !== 'linux') {
    throw new TailraceError(
      'data_dir_too_long',
      `The path of DATA_DIR is too long for a socket in it (${directory}): give it a shorter one.`,
    );
  }
  const descriptor = openSync(directory, 'r');
  let open = true;
  return {
    directory: `/proc/self/fd/${descriptor}`,
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/** `draft` does not listen yet, `claim` does, and `holds` is a plain file beside the claim of the holder. */
function markName(kind: 'draft' | 'claim' | 'holds', mark: Mark): string {
  return `${kind}.${mark.processId}.${mark.nonce}`;
}

async function putUpMark(
  directory: string,
  reach: string,
): Promise<{ mark: Mark; takeDown(): void }> {
  const mark: Mark = { processId: process.pid, nonce: randomBytes(8).toString('hex') };
  const server = createServer((socket) => socket.destroy());
  await listen(server, join(reach, markName('draft', mark)));
  // Between bind and listen a socket refuses connections as a dead one does: it gets its name after both.
  renameSync(join(directory, markName('draft', mark)), join(directory, markName('claim', mark)));
  server.unref();
  return {
    mark,
    takeDown() {
      rmSync(join(directory, markName('holds', mark)), { force: true });
      rmSync(join(directory, markName('claim', mark)), { force: true });
      server.close();
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

type Outcome = 'held' | { readonly rival: Mark; readonly holds: boolean };

/** Looks at the other marks until none lives, one holds, or one goes first. */
async function settle(directory: string, reach: string, own: Mark): Promise<Outcome> {
  for (;;) {
    const rivals = await livingMarks(directory, reach, own);
    if (rivals.length === 0) {
      writeFileSync(join(directory, markName('holds', own)), '');
      return 'held';
    }
    const names = readdirSync(directory);
    const holder = rivals.find((rival) => names.includes(markName('holds', rival)));
    if (holder !== undefined) return { rival: holder, holds: true };
    // Of those that only claim, the one with the least nonce stays, and the others withdraw.
    const first = rivals.find((rival) => rival.nonce < own.nonce);
    if (first !== undefined) return { rival: first, holds: false };
    await delay(RETRY_MS);
  }
}

/** Waits for another's claim to be decided: true once it holds, false if it is gone. */
async function comesToHold(directory: string, reach: string, rival: Mark): Promise<boolean> {
  while (await listens(join(reach, markName('claim', rival)))) {
    if (existsSync(join(directory, markName('holds', rival)))) return true;
    await delay(RETRY_MS);
  }
  return false;
}

async function livingMarks(directory: string, reach: string, own: Mark): Promise<Mark[]> {
  const living: Mark[] = [];
  for (const name of readdirSync(directory)) {
    const [, processId, nonce] = /^claim\.(\d+)\.([0-9a-f]+)$/.exec(name) ?? [];
    if (processId === undefined || nonce === undefined || nonce === own.nonce) continue;
    const mark: Mark = { processId: Number(processId), nonce };
    if (await listens(join(reach, name))) living.push(mark);
    else {
      rmSync(join(directory, name), { force: true });
      rmSync(join(directory, markName('holds', mark)), { force: true });
    }
  }
  return living;
}

/** Whether somebody listens on a socket. Only a refusal is a no: a full backlog belongs to a living process. */
async function listens(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
