// A file system of a few megabytes that a test can fill up: a tmpfs. Mounting one needs root (CAP_SYS_ADMIN).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly directory: string;
  /** Bytes that are left. */
  free(): number;
  /** Takes up the room that there is, but for so many bytes. */
  fill(leftBytes: number): void;
  /** Gives back what `fill` took. */
  makeRoom(): void;
  /** Nothing may be open on it. */
  remove(): void;
}

/** Mounts one. Throws where that is not allowed, and says what to do. */
export function mountSmallDisk(megabytes: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'tailrace-disk-'));
  try {
    const options = `size=${megabytes}m,mode=700`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tailrace-test', directory]);
  } catch (cause) {
    rmSync(directory, { recursive: true });
    throw new Error(
      'The test of a full disk mounts a tmpfs of its own: run it as root, in a container with CAP_SYS_ADMIN.',
      { cause },
    );
  }
  const ballast = join(directory, 'ballast');
  const free = () => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };
  return {
    directory,
    free,
    fill(leftBytes) {
      writeFileSync(ballast, Buffer.alloc(Math.max(0, free() - leftBytes)));
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    remove() {
      execFileSync('umount', [directory]);
      rmSync(directory, { recursive: true });
    },
  };
}
