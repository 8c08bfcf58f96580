// Tickets as they lie in Redis, for all query servers: two scripts, so that of two servers one is first. A ticket is kept
// under a name that does not tell it, with its token sealed; what is here says who may still do what, and nothing that
// has to be believed: whoever takes a token out of here verifies it. Everything ends by itself.
import { createHash, randomBytes } from 'node:crypto';
import type { RedisScripts } from '../../lib/redis.ts';
import type { Claims } from '../../policies/grant.ts';
import { SUBJECT_TICKETS_MAX } from './tickets.ts';

/** A ticket to be put in; times in ms since 1970. */
export interface PutTicket {
  readonly name: string;
  readonly claims: Claims;
  /** What it is bound to; undefined for a fresh one. */
  readonly binding: string | undefined;
  /** When it is over if nobody uses it. */
  readonly freshEndsMs: number;
  /** When its token is over. */
  readonly tokenEndsMs: number;
  readonly sealed: string;
}

/** The epoch says which Redis it is: one that lost what it had has another, or none yet. */
export type Put =
  | { readonly kind: 'put'; readonly epoch: string }
  /** Somebody else has put it there, or used it. */
  | { readonly kind: 'there' }
  | { readonly kind: 'subject_full' }
  | { readonly kind: 'full' };

export type Taken =
  | { readonly kind: 'taken'; readonly epoch: string; readonly sealed: string }
  /** Used up, or bound to something else. */
  | { readonly kind: 'refused' }
  /** Never there, or over, or gone. */
  | { readonly kind: 'unknown'; readonly epoch: string };

export interface RedisShelf {
  /** Puts a ticket in, or binds it where it is there and fresh. @throws TailraceError `redis_unavailable`. */
  put(ticket: PutTicket, nowMs: number): Promise<Put>;
  /** Uses a ticket up, or binds it where a binding is given. @throws TailraceError `redis_unavailable`. */
  take(name: string, binding: string | undefined, nowMs: number): Promise<Taken>;
  /** Tickets that there were when one was put in last. */
  readonly size: number;
}

/** One hash slot, so that a cluster takes scripts that find out on their way which keys they need. */
const PREFIX = '{tailrace:tickets}:';
const ALL = `${PREFIX}all`;
const EPOCH = `${PREFIX}epoch`;
/** A used ticket is remembered for longer than a clock may be behind. */
const CLOCKS_DIFFER_MS = 10_000;

/**
 * A subject has its tickets by when they end, and of those that are bound to streams in which order they were used. Both,
 * and the same of all tickets, live as long as what is in them.
 */
const COMMON = `
local prefix, name, now = ARGV[1], ARGV[2], ARGV[3]
local record, all, epochKey = KEYS[1], KEYS[2], KEYS[3]
local function outlive(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, string.format('%.0f', ms)) end
end
local function enter(subject, ends, isStream)
  local ms = tonumber(ends) - tonumber(now)
  local endsKey, streamsKey = prefix .. 'ends:' .. subject, prefix .. 'streams:' .. subject
  redis.call('ZADD', all, ends, name)
  redis.call('ZADD', endsKey, ends, name)
  if isStream then
    local newest = redis.call('ZRANGE', streamsKey, -1, -1, 'WITHSCORES')[2] or '0'
    redis.call('ZADD', streamsKey, tonumber(newest) + 1, name)
    outlive(streamsKey, ms)
  end
  outlive(all, ms)
  outlive(epochKey, ms)
  outlive(endsKey, ms)
end
local function leave(subject, names)
  if #names == 0 then return end
  redis.call('ZREM', all, unpack(names))
  redis.call('ZREM', prefix .. 'ends:' .. subject, unpack(names))
  redis.call('ZREM', prefix .. 'streams:' .. subject, unpack(names))
end
`;

/**
 * Of a subject that has too many its oldest stream cannot be reopened any more; fresh ones are gone in seconds. A call
 * forgets a hundred of all that are over at most: Redis does nothing else meanwhile.
 */
const PUT = `${COMMON}
local subject, binding, freshEnds, tokenEnds, sealed = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local subjectMax, max, keepMs = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[12]
local endsKey = prefix .. 'ends:' .. subject
local over = redis.call('ZRANGEBYSCORE', all, '-inf', now, 'LIMIT', 0, 100)
if #over > 0 then redis.call('ZREM', all, unpack(over)) end
local epoch = redis.call('GET', epochKey)
local state = redis.call('HGET', record, 'state')
if state and (state ~= 'fresh' or binding == '') then return {'there', '', redis.call('ZCARD', all)} end
if redis.call('ZCARD', endsKey) >= subjectMax then
  leave(subject, redis.call('ZRANGEBYSCORE', endsKey, '-inf', now))
end
if redis.call('ZCARD', endsKey) >= subjectMax then
  local oldest = redis.call('ZRANGE', prefix .. 'streams:' .. subject, 0, 0)
  if #oldest == 0 then return {'subject_full', '', redis.call('ZCARD', all)} end
  leave(subject, oldest)
  redis.call('DEL', prefix .. 'ticket:' .. oldest[1])
end
if redis.call('ZCARD', all) >= max then return {'full', '', redis.call('ZCARD', all)} end
if not epoch then
  epoch = ARGV[11]
  redis.call('SET', epochKey, epoch)
end
local isStream = binding ~= ''
redis.call('HSET', record, 'state', isStream and 'stream' or 'fresh', 'binding', binding,
  'freshEnds', freshEnds, 'tokenEnds', tokenEnds, 'sealed', sealed, 'subject', subject)
redis.call('PEXPIRE', record, keepMs)
enter(subject, isStream and tokenEnds or freshEnds, isStream)
return {'put', epoch, redis.call('ZCARD', all)}
`;

/** That it was used up is kept as long as it could have been used: a server that was away might take it for lost. */
const TAKE = `${COMMON}
local wanted = ARGV[4]
local epoch = redis.call('GET', epochKey) or ''
local fields = redis.call('HMGET', record,
  'state', 'binding', 'freshEnds', 'tokenEnds', 'sealed', 'subject')
local state, binding, freshEnds, tokenEnds, sealed, subject = unpack(fields)
if not state then return {'unknown', epoch} end
local isFresh = state == 'fresh'
if isFresh and tonumber(freshEnds) <= tonumber(now) then return {'unknown', epoch} end
if wanted == '' then
  if not isFresh then return {'refused', epoch} end
  leave(subject, {name})
  redis.call('HSET', record, 'state', 'used')
  redis.call('HDEL', record, 'sealed')
  return {'taken', epoch, sealed}
end
local isSame = state == 'stream' and binding == wanted and tonumber(tokenEnds) > tonumber(now)
if not isFresh and not isSame then return {'refused', epoch} end
redis.call('HSET', record, 'state', 'stream', 'binding', wanted)
outlive(record, tonumber(tokenEnds) - tonumber(now))
enter(subject, tokenEnds, true)
return {'taken', epoch, sealed}
`;

/** A name for a subject; a list as JSON, because tenant `a` with subject `b/c` is not tenant `a/b` with subject `c`. */
function subjectOf({ tenant, sub }: Claims): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, sub]))
    .digest('base64url');
}

/** The shelf behind a connection. It takes so many tickets at most, some 1.5 KB each. */
export function openRedisShelf(scripts: RedisScripts, ticketsMax: number): RedisShelf {
  let size = 0;
  const keysOf = (name: string) => [`${PREFIX}ticket:${name}`, ALL, EPOCH];

  return {
    async put(ticket, nowMs) {
      const { name, claims, binding, freshEndsMs, tokenEndsMs, sealed } = ticket;
      const keepMs =
        binding === undefined ? freshEndsMs - nowMs + CLOCKS_DIFFER_MS : tokenEndsMs - nowMs;
      const epoch = randomBytes(9).toString('base64url');
      const reply = await scripts.run(PUT, keysOf(name), [
        ...[PREFIX, name, nowMs, subjectOf(claims), binding ?? ''],
        ...[freshEndsMs, tokenEndsMs, sealed, SUBJECT_TICKETS_MAX, ticketsMax, epoch, keepMs],
      ]);
      const [kind, inEpoch, count] = reply as [Put['kind'], string, number];
      size = count;
      return kind === 'put' ? { kind, epoch: inEpoch } : { kind };
    },
    async take(name, binding, nowMs) {
      const values = [PREFIX, name, nowMs, binding ?? ''];
      const reply = await scripts.run(TAKE, keysOf(name), values);
      const [kind, epoch, sealed = ''] = reply as [Taken['kind'], string, string?];
      if (kind === 'taken') return { kind, epoch, sealed };
      return kind === 'unknown' ? { kind, epoch } : { kind };
    },
    get size() {
      return size;
    },
  };
}
