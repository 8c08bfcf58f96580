// Those who follow a feed, told one after the other.
import type { Log } from '../log.ts';
import type { FeedRecord } from './feed.ts';

export interface Followers {
  /** Gives back the way to end it. */
  add(listener: (record: FeedRecord) => void): () => void;
  /** Tells everybody. One that throws is logged and does not keep the record from the others. */
  tell(record: FeedRecord): void;
  clear(): void;
}

/** Makes an empty set. */
export function createFollowers(log: Log): Followers {
  const followers = new Set<(record: FeedRecord) => void>();
  return {
    add(listener) {
      // Wrapped, so that one function may follow twice and each call ends its own.
      const follower = (record: FeedRecord) => listener(record);
      followers.add(follower);
      return () => void followers.delete(follower);
    },
    tell(record) {
      // A copy: who begins to follow while being told must not be given this record.
      for (const follower of [...followers]) {
        if (!followers.has(follower)) continue;
        try {
          follower(record);
        } catch (cause) {
          log.error(
            { err: cause, offset: record.position.offset },
            'a follower of the feed failed',
          );
        }
      }
    },
    clear: () => followers.clear(),
  };
}
