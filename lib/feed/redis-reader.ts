// The one reader of a process: tells its followers what comes into the log, in order, and a gap wherever the order is
// broken.
import type { Redis } from 'ioredis';
import { within } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { pause } from '../pause.ts';
import type { FeedRecord, Position } from './feed.ts';
import { waitForRecords } from './redis-log.ts';

export interface ReaderOptions {
  /** A connection of its own: it waits there. */
  readonly redis: Redis;
  readonly from: Position;
  /** Where the log is now. */
  newest(): Promise<Position>;
  /** Told of each record that was read, before it is told. */
  saw(position: Position): void;
  tell(record: FeedRecord): void;
  readonly log: Log;
}

export interface Reader {
  /** Everything up to here was told. */
  readonly here: Position;
  /** Tells that something may be missing, that is not in the log. */
  tellGap(): void;
  stop(): Promise<void>;
}

/** The reader looks this often whether it still reads the same log. */
const BLOCK_MS = 1_000;
/** A Redis that says nothing for so long is connected to anew. */
const SILENCE_MAX_MS = 10_000;
const RETRY_MS = 250;

/** Starts reading behind a position. */
export function startReader({ redis, from, newest, saw, tell, log }: ReaderOptions): Reader {
  const stopping = new AbortController();
  const { signal } = stopping;
  let here = from;

  function deliver(record: FeedRecord): void {
    const { epoch, offset } = record.position;
    const follows = epoch === here.epoch && offset === here.offset + 1;
    // The gap stands where the record before this one would: nobody has been told of that one.
    if (!follows) tell({ kind: 'gap', position: { epoch, offset: offset - 1 } });
    here = record.position;
    saw(here);
    tell(record);
  }

  /** Nothing came, or the connection broke: either nothing was appended, or this is another log, or an older copy. */
  async function lookAgain(): Promise<void> {
    const now = await newest();
    if (now.epoch === here.epoch) return;
    here = { epoch: now.epoch, offset: 0 };
    tell({ kind: 'gap', position: here });
  }

  async function readSome(): Promise<void> {
    const records = await within(
      waitForRecords(redis, here.offset, BLOCK_MS),
      BLOCK_MS + SILENCE_MAX_MS,
      () => redis.disconnect(true),
    );
    for (const record of records) deliver(record);
    if (records.length === 0) await lookAgain();
  }

  async function readForever(): Promise<void> {
    let fails = false;
    while (!signal.aborted) {
      try {
        // Redis may have come back with less than was read of it.
        if (fails) await lookAgain();
        await readSome();
        fails = false;
      } catch (cause) {
        if (signal.aborted) return;
        if (!fails) log.warn({ reason: messageOf(cause) }, 'the feed in Redis cannot be read');
        fails = true;
        await pause(RETRY_MS, signal);
      }
    }
  }

  const reading = readForever();
  return {
    get here() {
      return here;
    },
    tellGap: () => tell({ kind: 'gap', position: here }),
    async stop() {
      stopping.abort();
      redis.disconnect();
      await reading;
    },
  };
}
