// The feed of several processes: a log in Redis, with one blocking reader a process that feeds all of its followers.
// Whatever makes the log another one (it was flushed, or restored from an older copy) gets a new epoch, and followers a
// gap. While Redis is away nobody waits for it: what is missing then is kept in the gap account, and followers hear of it
// from there.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { connectRedis } from '../redis.ts';
import { within } from './deadline.ts';
import type { Feed, FeedRead, FeedRecord, GapAccount, Position } from './feed.ts';
import { createFollowers } from './followers.ts';
import { KEPT_MAX, type KeptMax, openRedisLog, type RedisLog } from './redis-log.ts';
import { startReader } from './redis-reader.ts';
import { createUplink } from './redis-uplink.ts';

export interface RedisStreamOptions {
  /** `redis://…`, `rediss://…`, or the path of a Unix socket. */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where it is kept what could not be appended; in this process alone without it. */
  readonly gaps?: GapAccount;
  readonly keptMax?: Partial<KeptMax>;
}

/** What somebody who resumes waits for at most, a few hundred records a time. */
const ANSWER_MAX_MS = 5_000;
const RETRY_MS = 250;

/** Opens the feed, and begins to read; waits for Redis. */
export async function openRedisStream(options: RedisStreamOptions): Promise<Feed> {
  const { url, log, metrics, gaps = forgetfulAccount() } = options;
  const max = { ...KEPT_MAX, ...options.keptMax };
  const redis = connectRedis(url, log);
  const redisLog = openRedisLog(redis, max);
  const followers = createFollowers(log);
  const from = await firstPosition(redis, redisLog, log);
  const uplink = createUplink({ redis, redisLog, gaps, log });
  const readerRedis = connectRedis(url, log);
  await untilReady(readerRedis);
  // Of their own, too: many who resume at once read so much that an append behind it would wait for longer than it may.
  const resumeRedis = connectRedis(url, log);
  await untilReady(resumeRedis);
  const resumeLog = openRedisLog(resumeRedis, max);
  let resuming: Promise<unknown> = Promise.resolve();
  const reader = startReader({
    redis: readerRedis,
    from,
    newest: uplink.newest,
    saw: redisLog.saw,
    tell: followers.tell,
    log,
  });
  const unwatch = gaps.watch(reader.tellGap);

  metrics.bounded('feed_records', () => redisLog.kept.records, max.records);
  metrics.bounded('feed_bytes', () => redisLog.kept.bytes, max.bytes);
  metrics.gauge('tailrace_feed_away', '1 while the feed in Redis takes nothing', () =>
    uplink.isTaking ? 0 : 1,
  );

  return {
    name: 'feed (Redis)',
    append: uplink.append,
    async position() {
      return uplink.newest().catch(() => reader.here);
    },
    async readAfter(since) {
      // Whoever owes a gap may have committed points that this log will never have.
      if (gaps.isOwed) return { recovered: false };
      try {
        // One at a time: each may have the whole log in memory.
        const reading = resuming.then(async () => readAll(resumeLog, since, await uplink.newest()));
        resuming = reading.catch(() => undefined);
        return await reading;
      } catch {
        return { recovered: false };
      }
    },
    follow: followers.add,
    async stop() {
      unwatch();
      resumeRedis.disconnect();
      await Promise.all([reader.stop(), uplink.stop()]);
      followers.clear();
    },
  };
}

/** An error is no end: the connection is tried again. */
async function untilReady(redis: Redis): Promise<void> {
  await new Promise<void>((ready) => {
    if (redis.status === 'ready') ready();
    else redis.once('ready', ready);
  });
}

/** Asks until Redis answers. */
async function firstPosition(redis: Redis, redisLog: RedisLog, log: Log): Promise<Position> {
  for (;;) {
    try {
      await untilReady(redis);
      return await redisLog.newest();
    } catch (cause) {
      log.warn({ reason: messageOf(cause) }, 'the feed in Redis does not answer');
      await sleep(RETRY_MS);
    }
  }
}

async function readAll(redisLog: RedisLog, since: Position, newest: Position): Promise<FeedRead> {
  if (since.epoch !== newest.epoch || since.offset > newest.offset) return { recovered: false };
  const records: FeedRecord[] = [];
  let last = since.offset;
  while (last < newest.offset) {
    const some = await within(redisLog.after(last), ANSWER_MAX_MS);
    for (const record of some) {
      // A hole: trimmed away, or another log by now.
      const { epoch, offset } = record.position;
      if (offset !== last + 1 || epoch !== since.epoch) return { recovered: false };
      records.push(record);
      last = offset;
    }
    if (some.length === 0) return { recovered: false };
  }
  return { recovered: true, records };
}

/** Of a process that commits nothing that it would have to append. */
function forgetfulAccount(): GapAccount {
  return {
    owe: async () => {},
    settle: async () => {},
    isOwed: false,
    watch: () => () => {},
  };
}
