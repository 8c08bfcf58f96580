// The last bundle that was in force, on disk: a process starts with it when its source is away, and never goes back behind
// its revision. One file says which, and is replaced at once; the bundle itself stands beside under its digest.
import { createHash } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeDirectory } from '../../lib/directory.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { compareRevisions } from './revision.ts';

const STATE_FILE = 'last-good.json';
/** What this file puts beside it, and may clear away: whatever else is in the folder is somebody else's. */
const OURS = /^([0-9a-f]{64}\.tar\.gz|[0-9a-f]{64}\.tar\.gz\.\d+\.new|last-good\.json\.\d+\.new)$/;
/** Another process of the same folder may be about to point to it. */
const ORPHAN_MS = 600_000;

const recordSchema = z.object({
  /** Path or URL: revisions of one source say nothing of another's. */
  source: z.string(),
  revision: z.string(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of what is in it, however it is packed. */
  contents: z.string().optional(),
  etag: z.string().optional(),
  activated_ms: z.number(),
  confirmed_ms: z.number(),
});
export type LastGoodRecord = z.output<typeof recordSchema>;

/** What is on disk: the record, and the bundle where it is as it was. */
export interface LastGood {
  readonly record: LastGoodRecord;
  readonly packed: Uint8Array | undefined;
}

export interface LastGoodStore {
  /**
   * Undefined where there is none of this source. What is spoilt is logged and left out.
   * @throws TailraceError `policy_last_good_unreadable` where there is a record and only reading it fails: the revision
   *   in it is a bound, which is not to be lost over rights that can be mended.
   */
  read(): Promise<LastGood | undefined>;
  /**
   * Keeps a bundle, or only what is said of the one that is kept. What is kept of a newer revision stays.
   * @throws TailraceError `policy_last_good_unreadable`, and whatever writing throws.
   */
  keep(record: Omit<LastGoodRecord, 'source'>, packed?: Uint8Array): Promise<void>;
}

/** Opens the store below a folder (DATA_DIR/policy), for one source. */
export function openLastGood(folder: string, source: string, log: Log): LastGoodStore {
  const statePath = join(folder, STATE_FILE);
  const bundlePath = (digest: string) => join(folder, `${digest}.tar.gz`);

  async function readRecord(): Promise<LastGoodRecord | undefined> {
    let text: string;
    try {
      text = await readFile(statePath, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unreadable(statePath, cause);
    }
    try {
      const record = recordSchema.parse(JSON.parse(text));
      if (record.source === source) return record;
      log.warn(
        { kept: record.source, source },
        'the last policy bundle kept here came from another source: it is not used, nor is its revision a bound',
      );
    } catch (cause) {
      log.error(
        { file: statePath, fault: messageOf(cause) },
        'what is known of the last policy bundle in force cannot be read: older revisions will not be noticed',
      );
    }
    return undefined;
  }

  return {
    async read() {
      const record = await readRecord();
      if (record === undefined) return undefined;
      try {
        const packed = await readFile(bundlePath(record.digest));
        const digest = createHash('sha256').update(packed).digest('hex');
        if (digest === record.digest) return { record, packed };
        log.error(
          { file: bundlePath(record.digest) },
          'the last policy bundle kept here was changed on disk: it is not used',
        );
      } catch (cause) {
        log.error({ fault: messageOf(cause) }, 'the last policy bundle kept here cannot be read');
      }
      return { record, packed: undefined };
    },

    async keep(record, packed) {
      makeDirectory(folder, 0o700);
      const kept = await readRecord();
      if (kept !== undefined && compareRevisions(kept.revision, record.revision) === 'newer')
        return;
      if (packed !== undefined) await writeWhole(bundlePath(record.digest), packed);
      await writeWhole(statePath, Buffer.from(JSON.stringify({ source, ...record })));
      if (packed !== undefined) await removeOthers(folder, record.digest);
    },
  };
}

/** Either all of it is there afterwards or nothing is changed, also after a power cut. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/** Bundles that were good before, and drafts of processes that ended while they wrote. */
async function removeOthers(folder: string, digest: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!OURS.test(name) || name === `${digest}.tar.gz`) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() && Date.now() - found.mtimeMs > ORPHAN_MS) await rm(path, { force: true });
  }
}

function unreadable(path: string, cause: unknown): TailraceError {
  return new TailraceError(
    'policy_last_good_unreadable',
    `What is known of the last policy bundle in force cannot be read from ${path} (${messageOf(cause)}). Let this ` +
      'process read it; without that file, older revisions would not be noticed.',
    { cause },
  );
}
