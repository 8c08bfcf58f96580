// The feed of several processes: a Redis Stream whose ids are the offsets. One blocking reader a process feeds all of
// its followers. Whatever makes the stream another log (it was flushed, or restored from an older copy) gets a new
// epoch, and followers a gap.
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { messageOf, TailraceError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Feed, FeedBody, FeedRead, FeedRecord, Position } from './feed.ts';
import { createFollowers } from './followers.ts';
import { decodeBody, encodeWithin } from './record-codec.ts';

export interface RedisStreamOptions {
  /** `redis://…`, `rediss://…`, or the path of a Unix socket. */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Records that are kept for those who resume, give or take Redis' own blocks of some hundred. */
  readonly recordsMax?: number;
}

/** One hash slot, so that a cluster takes the script. */
const KEYS = ['{tailrace:feed}:epoch', '{tailrace:feed}:offset', '{tailrace:feed}'] as const;
const STREAM = KEYS[2];
const RECORDS_MAX = 20_000;
/**
 * Of a record; a larger one is divided. Redis takes 512 MB at the most, others less, and whoever reads has READ_COUNT
 * of them in memory at a time. A transaction of 20,000 numbers has half of it.
 */
const RECORD_BYTES_MAX = 1024 * 1024;
/** The reader looks this often whether it still reads the same log. */
const BLOCK_MS = 1_000;
const READ_COUNT = 200;
const RETRY_MS = 1_000;

/**
 * Begins a new log where there is none, or where the caller has seen more of this one than there is; then appends, if
 * there is a payload. Atomic, so that offsets grow by one whoever appends.
 */
const SCRIPT = `
local epoch = redis.call('GET', KEYS[1])
local offset = tonumber(redis.call('GET', KEYS[2]) or '0')
if not epoch or (epoch == ARGV[2] and offset < tonumber(ARGV[3])) then
  epoch = ARGV[1]
  offset = 0
  redis.call('DEL', KEYS[3])
  redis.call('SET', KEYS[1], epoch)
  redis.call('SET', KEYS[2], '0')
end
if ARGV[4] then
  offset = redis.call('INCR', KEYS[2])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], string.format('%.0f-0', offset), 'e', epoch, 'r', ARGV[4])
end
return {epoch, offset}
`;

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

function recordOf([id, fields]: Entry): FeedRecord {
  const [, epoch, , body] = fields;
  if (epoch === undefined || body === undefined) throw new Error(`feed: no record at ${id}`);
  const position = { epoch: String(epoch), offset: Number.parseInt(String(id), 10) };
  return { ...decodeBody(body), position };
}

/** Connects for ever; says once when the connection is lost, and when it is back. */
function connect(url: string, log: Log): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  let lost = false;
  redis.on('error', (cause: Error) => {
    if (!lost) log.warn({ reason: messageOf(cause) }, 'the feed in Redis cannot be reached');
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) log.info('the feed in Redis can be reached again');
    lost = false;
  });
  return redis;
}

/** Opens the feed, and begins to read; waits for Redis. */
export async function openRedisStream(options: RedisStreamOptions): Promise<Feed> {
  const { url, log, metrics, recordsMax = RECORDS_MAX } = options;
  const writer = connect(url, log);
  const reader = connect(url, log);
  const followers = createFollowers(log);
  const stopping = new AbortController();
  let seen: Position = { epoch: '', offset: 0 };

  metrics.bounded('feed_records', () => Math.min(seen.offset, recordsMax), recordsMax);

  async function run(...payload: (Buffer | number)[]): Promise<Position> {
    const fresh = randomBytes(9).toString('base64url');
    const reply = await writer.eval(
      SCRIPT,
      KEYS.length,
      ...KEYS,
      ...[fresh, seen.epoch, seen.offset, ...payload],
    );
    const [epoch, offset] = reply as [string, number];
    if (seen.epoch !== epoch || seen.offset < offset) seen = { epoch, offset };
    return { epoch, offset };
  }

  /** An error of Redis' own (out of memory, loading, read-only) is no reason to lose a record: it is tried again. */
  async function appendPayload(payload: Buffer): Promise<Position> {
    for (;;) {
      if (stopping.signal.aborted) throw new TailraceError('stopped', 'The feed has stopped.');
      try {
        return await run(payload, recordsMax);
      } catch (cause) {
        if (!stopping.signal.aborted) {
          log.warn({ reason: messageOf(cause) }, 'the feed in Redis takes nothing');
          await pause(RETRY_MS, stopping.signal);
        }
      }
    }
  }

  async function append(body: FeedBody): Promise<Position> {
    const [first, ...more] = encodeWithin(body, RECORD_BYTES_MAX) as [Buffer, ...Buffer[]];
    let position = await appendPayload(first);
    for (const payload of more) position = await appendPayload(payload);
    return position;
  }

  async function readAfter(since: Position): Promise<FeedRead> {
    const newest = await run();
    if (since.epoch !== newest.epoch || since.offset > newest.offset) return { recovered: false };
    const records: FeedRecord[] = [];
    let last = since.offset;
    while (last < newest.offset) {
      const entries = await writer.xrangeBuffer(STREAM, `(${last}-0`, '+', 'COUNT', READ_COUNT);
      for (const entry of entries) {
        const record = recordOf(entry);
        // A hole: trimmed away, or another log by now.
        const { epoch, offset } = record.position;
        if (offset !== last + 1 || epoch !== since.epoch) return { recovered: false };
        records.push(record);
        last = offset;
      }
      if (entries.length === 0) return { recovered: false };
    }
    return { recovered: true, records };
  }

  const begun = await run();
  const reading = readForever({
    from: begun,
    read: (offset) => readEntries(reader, offset),
    newest: run,
    tell: followers.tell,
    log,
    signal: stopping.signal,
  });

  async function stop(): Promise<void> {
    stopping.abort();
    reader.disconnect();
    writer.disconnect();
    await reading;
    followers.clear();
  }

  return {
    name: 'feed (Redis)',
    append,
    readAfter,
    position: () => run(),
    follow: followers.add,
    stop,
  };
}

async function readEntries(reader: Redis, offset: number): Promise<Entry[]> {
  const reply = await reader.xreadBuffer(
    'COUNT',
    READ_COUNT,
    'BLOCK',
    BLOCK_MS,
    'STREAMS',
    STREAM,
    `${offset}-0`,
  );
  return reply?.[0]?.[1] ?? [];
}

interface ReadingLoop {
  readonly from: Position;
  /** Entries after an offset; waits a while where there are none. */
  read(offset: number): Promise<Entry[]>;
  /** Where the log is now. */
  newest(): Promise<Position>;
  tell(record: FeedRecord): void;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Tells everything that comes after `from`, in order, and a gap wherever the order is broken. */
async function readForever(loop: ReadingLoop): Promise<void> {
  const { read, newest, tell, log, signal } = loop;
  let here = loop.from;

  function deliver(record: FeedRecord): void {
    const { epoch, offset } = record.position;
    const follows = epoch === here.epoch && offset === here.offset + 1;
    // The gap stands where the record before this one would: nobody has been told of that one.
    if (!follows) tell({ kind: 'gap', position: { epoch, offset: offset - 1 } });
    tell(record);
    here = record.position;
  }

  /** Nothing came: either nothing was appended, or this is another log, whose offsets are behind ours. */
  async function lookAgain(): Promise<void> {
    const now = await newest();
    if (now.epoch === here.epoch) return;
    here = { epoch: now.epoch, offset: 0 };
    tell({ kind: 'gap', position: here });
  }

  while (!signal.aborted) {
    try {
      const entries = await read(here.offset);
      for (const entry of entries) deliver(recordOf(entry));
      if (entries.length === 0) await lookAgain();
    } catch (cause) {
      if (signal.aborted) return;
      log.warn({ reason: messageOf(cause) }, 'the feed in Redis cannot be read');
      await pause(RETRY_MS, signal);
    }
  }
}

/** Waits, or ends at once where all is to stop. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => undefined);
}
