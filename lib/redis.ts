// Connections to Redis.
import { Redis } from 'ioredis';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

/** Silence after which a peer is asked whether it lives. */
const KEEPALIVE_MS = 10_000;

/**
 * Connects for ever; says once when the connection is lost, and when it is back. What is asked meanwhile is refused at
 * once, and what was under way is refused, too, and never sent again: it might come in after what was sent later.
 * `what` is there, for the log.
 */
export function connectRedis(url: string, log: Log, what = 'the feed'): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    keepAlive: KEEPALIVE_MS,
  });
  let lost = false;
  redis.on('error', (cause: Error) => {
    if (!lost) log.warn({ reason: messageOf(cause) }, `${what} in Redis cannot be reached`);
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) log.info(`${what} in Redis can be reached again`);
    lost = false;
  });
  return redis;
}
