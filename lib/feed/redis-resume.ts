// Reading what is behind a position in the log again, for those who resume. Many come at once, as when a server was lost:
// who waits while others are read for is read for together with all who wait, so that the log is read once for all of them.
import { within } from '../deadline.ts';
import type { FeedRead, FeedRecord, Position } from './feed.ts';
import type { RedisLog } from './redis-log.ts';

export interface Resumes {
  /** Everything after a position up to the newest; never rejects: what cannot be read is not recovered. */
  readAfter(since: Position): Promise<FeedRead>;
}

/** What a few hundred records are waited for at most. */
const ANSWER_MAX_MS = 5_000;
/** Who are read for together: each is given a list of its own, of the same records. */
const TOGETHER_MAX = 64;
const LOST: FeedRead = { recovered: false };

interface Waiting {
  readonly since: Position;
  readonly answer: (read: FeedRead) => void;
}

/** Records up to the newest without a hole, as many as anybody wants. */
async function readRun(
  { after }: Pick<RedisLog, 'after'>,
  sinces: readonly number[],
  newest: Position,
): Promise<readonly FeedRecord[]> {
  let run: FeedRecord[] = [];
  let last = Math.min(newest.offset, ...sinces);
  while (last < newest.offset) {
    const some = await within(after(last), ANSWER_MAX_MS);
    // All of it was trimmed away meanwhile.
    if (some.length === 0) return [];
    for (const record of some) {
      const { epoch, offset } = record.position;
      // Another log by now.
      if (epoch !== newest.epoch) return [];
      if (offset !== last + 1) {
        // What is before a hole leads nowhere.
        run = [];
        if (!sinces.some((since) => since >= offset - 1)) return [];
      }
      run.push(record);
      last = offset;
    }
  }
  return run;
}

/** Makes the reading of a process; `newest` says where the log is now. */
export function createResumes(
  redisLog: Pick<RedisLog, 'after'>,
  newest: () => Promise<Position>,
): Resumes {
  let waiting: Waiting[] = [];
  let isReading = false;

  async function readFor(those: readonly Waiting[]): Promise<void> {
    const now = await newest();
    const isBehind = ({ epoch, offset }: Position) => epoch === now.epoch && offset < now.offset;
    const behind = those.filter(({ since }) => isBehind(since));
    const sinces = behind.map(({ since }) => since.offset);
    const run = await readRun(redisLog, sinces, now);
    const first = run[0]?.position.offset ?? Number.POSITIVE_INFINITY;
    for (const { since, answer } of those) {
      const isThere = since.epoch === now.epoch && since.offset === now.offset;
      const isRead = isBehind(since) && since.offset >= first - 1;
      const records = isRead ? run.slice(since.offset + 1 - first) : [];
      answer(isThere || isRead ? { recovered: true, records } : LOST);
    }
  }

  async function readForAll(): Promise<void> {
    isReading = true;
    while (waiting.length > 0) {
      const those = waiting.slice(0, TOGETHER_MAX);
      waiting = waiting.slice(TOGETHER_MAX);
      await readFor(those).catch(() => {
        for (const { answer } of those) answer(LOST);
      });
    }
    isReading = false;
  }

  return {
    readAfter(since) {
      return new Promise((answer) => {
        waiting.push({ since, answer });
        if (!isReading) void readForAll();
      });
    },
  };
}
