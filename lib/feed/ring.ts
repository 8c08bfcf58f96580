// The feed of a single process: a ring of records in memory. Its epoch is new with every start, so that a cursor from
// before a restart is told apart from one of this log.
import { randomBytes } from 'node:crypto';
import { createLog, type Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Feed, FeedBody, FeedRead, FeedRecord, Position } from './feed.ts';
import { createFollowers } from './followers.ts';

export interface RingOptions {
  /** Most records that are kept for those who resume. */
  readonly recordsMax: number;
  /** Most points in the records kept. A batch larger than this reaches followers, and is not kept. */
  readonly pointsMax: number;
  /** Most bytes of columns and texts in the records kept. */
  readonly bytesMax?: number;
  readonly metrics?: Metrics;
  readonly log?: Log;
}

/** Of a serving process: some minutes of a busy plant that a tail can resume over, at most some 100 MB. */
export const RING_LIMITS = { recordsMax: 65_536, pointsMax: 2_000_000, bytesMax: 128 << 20 };

const BYTES_PER_RECORD = 128;
const BYTES_PER_POINT = 4 + 8 + 8 + 2;

/** What a record weighs in memory, estimated; strings as two bytes a character. */
function weighRecord(body: FeedBody): { points: number; bytes: number } {
  if (body.kind !== 'readings') return { points: 0, bytes: BYTES_PER_RECORD };
  const points = body.seriesIds.length;
  let bytes = BYTES_PER_RECORD + points * BYTES_PER_POINT;
  if (!(body.values instanceof Float64Array)) {
    for (const value of body.values) if (typeof value === 'string') bytes += 2 * value.length;
  }
  return { points, bytes };
}

interface Kept {
  readonly record: FeedRecord;
  readonly points: number;
  readonly bytes: number;
}

/**
 * Makes an empty ring. `append` takes the arrays of a body over: the caller must not write to them again. Followers are
 * called within `append`, one after the other; one that throws is logged and does not keep the record from the others.
 */
export function createRing(options: RingOptions): Feed {
  const { recordsMax, pointsMax, bytesMax = Number.POSITIVE_INFINITY } = options;
  const epoch = randomBytes(9).toString('base64url');
  const slots: (Kept | undefined)[] = new Array(recordsMax);
  const followers = createFollowers(options.log ?? createLog('error'));
  // Offsets of the kept records are [oldest, newest]; the record at offset n stands in slot n % recordsMax.
  let oldest = 1;
  let newest = 0;
  let points = 0;
  let bytes = 0;

  options.metrics?.bounded('feed_records', () => newest - oldest + 1, recordsMax);
  options.metrics?.bounded('feed_points', () => points, pointsMax);

  function forgetOldest(): void {
    const slot = oldest % recordsMax;
    const kept = slots[slot];
    if (kept === undefined) throw new Error(`feed ring: nothing at offset ${oldest}`);
    points -= kept.points;
    bytes -= kept.bytes;
    slots[slot] = undefined;
    oldest += 1;
  }

  function keep(record: FeedRecord): void {
    if (newest - oldest + 1 === recordsMax) forgetOldest();
    const kept = { record, ...weighRecord(record) };
    newest = record.position.offset;
    slots[newest % recordsMax] = kept;
    points += kept.points;
    bytes += kept.bytes;
    while (oldest <= newest && (points > pointsMax || bytes > bytesMax)) forgetOldest();
  }

  async function append(body: FeedBody): Promise<Position> {
    const position = { epoch, offset: newest + 1 };
    const record: FeedRecord = { ...body, position };
    keep(record);
    followers.tell(record);
    return position;
  }

  async function readAfter(since: Position): Promise<FeedRead> {
    const known = since.epoch === epoch && since.offset >= oldest - 1 && since.offset <= newest;
    if (!known) return { recovered: false };
    const records: FeedRecord[] = [];
    for (let offset = since.offset + 1; offset <= newest; offset += 1) {
      const kept = slots[offset % recordsMax];
      if (kept === undefined) throw new Error(`feed ring: nothing at offset ${offset}`);
      records.push(kept.record);
    }
    return { recovered: true, records };
  }

  return {
    name: 'feed (in memory)',
    append,
    position: async () => ({ epoch, offset: newest }),
    readAfter,
    follow: followers.add,
    async stop() {
      followers.clear();
    },
  };
}
