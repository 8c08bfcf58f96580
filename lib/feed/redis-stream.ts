// The feed of several processes: a log in Redis, with one blocking reader a process that feeds all of its followers.
// Whatever may make the log another one (it was flushed, restored from an older copy, or Redis started again) is a new
// epoch, and a gap to followers. While Redis is away nobody waits for it: what is missing then is kept in the gap account,
// and followers hear of it from there.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { connectRedis } from '../redis.ts';
import type { Feed, GapAccount, Position } from './feed.ts';
import { createFollowers } from './followers.ts';
import { KEPT_MAX, type KeptMax, openRedisLog, type RedisLog } from './redis-log.ts';
import { startReader } from './redis-reader.ts';
import { createResumes } from './redis-resume.ts';
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
  const resumes = createResumes(openRedisLog(resumeRedis, max), uplink.newest);
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
      return resumes.readAfter(since);
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

/** Of a process that commits nothing that it would have to append. */
function forgetfulAccount(): GapAccount {
  return {
    owe: async () => {},
    settle: async () => {},
    isOwed: false,
    watch: () => () => {},
  };
}
