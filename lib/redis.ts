// Connections to Redis, and scripts that run there for whoever can do without.
import { Redis } from 'ioredis';
import { within } from './deadline.ts';
import { messageOf, TailraceError } from './errors.ts';
import type { Part } from './lifecycle.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

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

/** Runs scripts for somebody who can do without: nobody waits long for an answer, and not at all while Redis is away. */
export interface RedisScripts extends Part {
  /**
   * What a script gives back. @throws TailraceError `redis_unavailable`, soon: then nobody knows whether it ran, or
   * will.
   */
  run(
    script: string,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown>;
  /** Whether there is a connection on which Redis has answered. */
  readonly isAnswering: boolean;
}

export interface RedisScriptsOptions {
  /** `redis://…`, `rediss://…`, or the path of a Unix socket. */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** What is kept there, in the plural, for the log and for metrics. */
  readonly what: string;
  /** What an answer is waited for; a second unless given. */
  readonly answerMaxMs?: number;
}

const ANSWER_MAX_MS = 1_000;
/** What may wait in the second before a Redis that hangs is taken for one. */
const UNDER_WAY_MAX = 1_000;

/** Opens a connection for scripts; waits for Redis, but not for long: it may be away. */
export async function openRedisScripts(options: RedisScriptsOptions): Promise<RedisScripts> {
  const { url, log, metrics, what, answerMaxMs = ANSWER_MAX_MS } = options;
  const redis = connectRedis(url, log, what);
  let underWay = 0;
  let fails = false;
  let isHung = false;
  const isAnswering = () => redis.status === 'ready' && !isHung;
  metrics.bounded(`${what}_scripts`, () => underWay, UNDER_WAY_MAX);
  metrics.gauge(`tailrace_${what}_away`, `1 while Redis says nothing of ${what}`, () =>
    isAnswering() && !fails ? 0 : 1,
  );

  function told(answers: boolean, cause?: unknown): void {
    if (answers && fails) log.info(`${what} in Redis: it answers again`);
    if (!answers && !fails) log.warn({ reason: messageOf(cause) }, `${what} in Redis: no answer`);
    fails = !answers;
  }

  /** A new connection is ready when Redis has answered on it: one that hangs is asked nothing more until then. */
  function hangUp(): void {
    if (!isHung) redis.disconnect(true);
    isHung = true;
  }

  const ready = new Promise<void>((resolve) => {
    redis.on('ready', () => {
      isHung = false;
      told(true);
      resolve();
    });
  });
  await within(ready, answerMaxMs).catch((cause: unknown) => told(false, cause));

  return {
    name: `${what} in Redis`,
    async run(script, keys, values) {
      if (!isAnswering() || underWay >= UNDER_WAY_MAX) throw unavailable(what);
      underWay += 1;
      try {
        const asked = redis.eval(script, keys.length, ...keys, ...values);
        const reply = await within(asked, answerMaxMs, hangUp);
        told(true);
        return reply;
      } catch (cause) {
        told(false, cause);
        throw unavailable(what, cause);
      } finally {
        underWay -= 1;
      }
    },
    get isAnswering() {
      return isAnswering();
    },
    async stop() {
      redis.disconnect();
    },
  };
}

function unavailable(what: string, cause?: unknown): TailraceError {
  return new TailraceError('redis_unavailable', `Redis says nothing of ${what} now.`, { cause });
}
