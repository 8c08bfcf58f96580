// The feed's log as it lies in Redis: a stream whose ids are the offsets, the epoch that they belong to, and how large and
// how old each record is, by which the oldest go. One script keeps all of it, whoever appends.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { FeedRecord, Position } from './feed.ts';
import { decodeBody } from './record-codec.ts';

/** What is kept for those who resume; the newest record is kept whatever it weighs. */
export interface KeptMax {
  readonly records: number;
  /** Of bodies. */
  readonly bytes: number;
  readonly ageMs: number;
}

/**
 * An hour is a tunnel or a closed lid; who was away for longer is better served by a snapshot. The bytes are those of the
 * ring in memory, which fits beside other things into the smallest Redis that is sold; a record costs Redis some 150 more.
 */
export const KEPT_MAX: KeptMax = { records: 65_536, bytes: 128 << 20, ageMs: 3_600_000 };

/** What is in the log. */
export interface Kept {
  readonly records: number;
  readonly bytes: number;
}

export interface RedisLog {
  /** Where the log is now. Rejects where Redis does not answer or the connection breaks. */
  newest(): Promise<Position>;
  /** Rejects where Redis refuses it, or the connection breaks: then nobody knows whether it is in the log. */
  append(payload: Buffer): Promise<Position>;
  /** Some records after an offset, of whatever epoch. */
  after(offset: number): Promise<FeedRecord[]>;
  readonly kept: Kept;
  /** Somebody read a record there: a log that ends before it is another one. */
  saw(position: Position): void;
}

/** One hash slot, so that a cluster takes the script. */
const KEYS = [
  '{tailrace:feed}:epoch',
  '{tailrace:feed}:offset',
  '{tailrace:feed}',
  '{tailrace:feed}:sizes',
  '{tailrace:feed}:bytes',
  '{tailrace:feed}:run',
] as const;
const STREAM = KEYS[2];
/** A reader has so many in memory at a time. */
const READ_COUNT = 200;

/**
 * Begins a new log where there is none, where the caller has seen more of this one than there is, or where it was written
 * by another run of Redis: one that starts again, or a replica that takes over, may lack the newest records, and nobody
 * could tell once others are in their place. Then appends, if there is a payload. Atomic, so that offsets grow by one
 * whoever appends. A call drops a hundred of the oldest at most: after a quiet hour all of them are too old, and Redis does
 * nothing else meanwhile. Who is not allowed INFO does without the run.
 */
const SCRIPT = `
local epoch = redis.call('GET', KEYS[1])
local offset = tonumber(redis.call('GET', KEYS[2]))
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local isOlder = offset and epoch == ARGV[2] and offset < tonumber(ARGV[3])
local isAnotherRun = run ~= '' and run ~= redis.call('GET', KEYS[6])
if not epoch or not offset or isOlder or isAnotherRun then
  epoch = ARGV[1]
  offset = 0
  redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
  redis.call('SET', KEYS[6], run)
  redis.call('SET', KEYS[1], epoch)
  redis.call('SET', KEYS[2], '0')
end
if ARGV[4] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  offset = redis.call('INCR', KEYS[2])
  redis.call('XADD', KEYS[3], string.format('%.0f-0', offset), 'e', epoch, 'r', ARGV[4])
  local kept = redis.call('RPUSH', KEYS[4], string.format('%d %.0f', #ARGV[4], now))
  local bytes = redis.call('INCRBY', KEYS[5], #ARGV[4])
  local most = kept
  while kept > 1 and most - kept < 100 do
    local size, at = string.match(redis.call('LINDEX', KEYS[4], 0), '(%d+) (%d+)')
    local fits = kept <= tonumber(ARGV[5]) and bytes <= tonumber(ARGV[6])
    if fits and now - tonumber(at) <= tonumber(ARGV[7]) then break end
    redis.call('LPOP', KEYS[4])
    bytes = redis.call('DECRBY', KEYS[5], size)
    kept = kept - 1
  end
  if kept < most then redis.call('XTRIM', KEYS[3], 'MAXLEN', '=', kept) end
end
return {epoch, offset, redis.call('LLEN', KEYS[4]), tonumber(redis.call('GET', KEYS[5]) or '0')}
`;

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

function recordOf([id, fields]: Entry): FeedRecord {
  const [, epoch, , body] = fields;
  if (epoch === undefined || body === undefined) throw new Error(`feed: no record at ${id}`);
  const position = { epoch: String(epoch), offset: Number.parseInt(String(id), 10) };
  return { ...decodeBody(body), position };
}

/** The log behind a connection. */
export function openRedisLog(redis: Redis, max: KeptMax): RedisLog {
  let seen: Position = { epoch: '', offset: 0 };
  let kept: Kept = { records: 0, bytes: 0 };

  async function run(...payload: (Buffer | number)[]): Promise<Position> {
    const fresh = randomBytes(9).toString('base64url');
    const call = [fresh, seen.epoch, seen.offset, ...payload];
    const reply = await redis.eval(SCRIPT, KEYS.length, ...KEYS, ...call);
    const [epoch, offset, records, bytes] = reply as [string, number, number, number];
    if (seen.epoch !== epoch || seen.offset < offset) seen = { epoch, offset };
    kept = { records, bytes };
    return { epoch, offset };
  }

  return {
    saw(position) {
      if (seen.epoch !== position.epoch || seen.offset < position.offset) seen = position;
    },
    newest: () => run(),
    append: (payload) => run(payload, max.records, max.bytes, max.ageMs),
    async after(offset) {
      const entries = await redis.xrangeBuffer(STREAM, `(${offset}-0`, '+', 'COUNT', READ_COUNT);
      return entries.map(recordOf);
    },
    get kept() {
      return kept;
    },
  };
}

/** Waits for records after an offset, for so long at most; none where none came. */
export async function waitForRecords(
  redis: Redis,
  offset: number,
  blockMs: number,
): Promise<FeedRecord[]> {
  const from = `${offset}-0`;
  const block = ['COUNT', READ_COUNT, 'BLOCK', blockMs] as const;
  const reply = await redis.xreadBuffer(...block, 'STREAMS', STREAM, from);
  return (reply?.[0]?.[1] ?? []).map(recordOf);
}
